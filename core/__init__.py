"""sightsound: search photographs, films and sounds by what is seen and heard in them.

These are the names for plug-ins and programs; everything else may change without notice.
"""

from sightsound.filters import Condition, Filters
from sightsound.hookspecs import hookimpl
from sightsound.media import Begun, Learnt, Piece, Reader, Shot, Wanted
from sightsound.sources import Source, credit_line
from sightsound.types import (
    AudioInput,
    Device,
    Encoder,
    EncoderSpec,
    ImageInput,
    Item,
    Metadata,
    Role,
    Segment,
    ShotInput,
    Space,
    TextInput,
    Vectors,
    file_uri,
)

__version__ = "0.1.0"

__all__ = [
    "AudioInput",
    "Begun",
    "Condition",
    "Device",
    "Encoder",
    "EncoderSpec",
    "Filters",
    "ImageInput",
    "Item",
    "Learnt",
    "Metadata",
    "Piece",
    "Reader",
    "Role",
    "Segment",
    "Shot",
    "ShotInput",
    "Source",
    "Space",
    "TextInput",
    "Vectors",
    "Wanted",
    "__version__",
    "credit_line",
    "file_uri",
    "hookimpl",
]
