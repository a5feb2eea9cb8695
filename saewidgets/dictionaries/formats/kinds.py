"""What a file really is, told by its first bytes, so that a refusal can say it."""

from __future__ import annotations

OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
# Longest first where one begins another.
_KINDS = (
    (b"PK\x03\x04", "a zip archive, as npz and torch files are"),
    (OLD_TORCH, "a torch file from before torch 1.6"),
    (b"\x80", "a bare pickle, which may run code when read"),
    (b"\x93NUMPY", "a single numpy array"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"(\xb5/\xfd", "compressed with zstd"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<", "a web page or XML"),
    (b"{", "JSON text"),
)
HEAD = 512


def kind_of(head: bytes) -> str:
    """In words, from the first `HEAD` bytes of a file.

    Example:
        >>> kind_of(b"{}")
        'JSON text'
    """
    for start, kind in _KINDS:
        if head.startswith(start):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return "a safetensors file"
    return "empty" if not head else "of no kind known here"
