"""What other folders may use; the rest is private by convention."""

from .render import (
    Figure as Figure,
    Section as Section,
    Table as Table,
    Thumbnail as Thumbnail,
    Tile as Tile,
    write_page as write_page,
)
from .static_images import (
    write_static_images as write_static_images,
)
