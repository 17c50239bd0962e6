"""Opens the channel on which SFTP is spoken, with room for many answers on their way."""

import paramiko

from services.fetcher.sftp.client import SftpClient
from services.fetcher.sftp.inbox import Inbox
from services.fetcher.sftp.packets import Packets

_WINDOW = 8 * 1024 * 1024
_PACKET = 32 * 1024


def start_sftp(transport: paramiko.Transport, seconds: float) -> SftpClient:
    """A client on a new channel of a logged-in transport; see SftpClient for the errors."""
    channel = transport.open_session(window_size=_WINDOW, max_packet_size=_PACKET)
    inbox = Inbox(_WINDOW)
    channel.in_buffer, channel.in_stderr_buffer = inbox, Inbox(_WINDOW)  # type: ignore[assignment]
    if channel.eof_received or channel.closed:
        inbox.close()
    if isinstance(transport.packetizer, Packets):
        transport.packetizer.deliver[channel.get_id()] = inbox.feed
    channel.settimeout(seconds)
    channel.invoke_subsystem("sftp")
    return SftpClient(channel, seconds)
