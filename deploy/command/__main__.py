"""`python -m deploy.command`: the same as `sftp-connector`, where that is not installed."""

from deploy.command.main import app

if __name__ == "__main__":
    app(prog_name="sftp-connector")
