"""How a file is packed, told by its first bytes, not by its name."""

TELLING_BYTES = 512

_MAGIC = (
    (0, b"\x1f\x8b", "gzip"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip without a file"),
    (0, b"PK\x07\x08", "zip in parts"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"\x04\x22\x4d\x18", "lz4"),
    (0, b"\x1f\x9d", "compress"),
    (257, b"ustar", "tar"),
)
# Three letters may begin a CSV file, too; what follows in a bzip2 file may not.
_BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")


def packing(beginning: bytes) -> str | None:
    """The kind of archive that begins with these bytes, of which TELLING_BYTES are enough; None when it is none."""
    for at, magic, kind in _MAGIC:
        if beginning[at : at + len(magic)] == magic and (kind != "bzip2" or beginning[4:10] in _BZIP2_BLOCKS):
            return kind
    return None


def is_left_out(member: bytes) -> bool:
    """Whether a member of a zip is a folder, or what macOS adds beside the files."""
    return member.endswith(b"/") or member.startswith(b"__MACOSX/")
