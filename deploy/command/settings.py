"""What the command reads: each subcommand only what it needs."""

from pydantic import Field, SecretStr

from shared.settings import BlobSettings, BusSettings, DatabaseSettings, OpenSettings, SealSettings


class AskSettings(DatabaseSettings, BusSettings):
    """To look a connector up and ask for something."""


class ResealSettings(DatabaseSettings, SealSettings, OpenSettings):
    """To seal every login anew."""


class Settings(DatabaseSettings, BusSettings, BlobSettings, SealSettings, OpenSettings):
    """Everything that any subcommand reads. The doctor looks at all of it, at the keys as far as they are given."""

    seal_public_key: str = Field(default="", validate_default=False, description="what logins are sealed to")
    seal_private_keys: list[SecretStr] = Field(default_factory=list, description="what opens sealed logins")
