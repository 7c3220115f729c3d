"""What other folders may use; the rest is private by convention."""

from .download import (
    Say as Say,
    silent as silent,
)
from .fashion_mnist import (
    CLASS_NAMES as CLASS_NAMES,
    Images as Images,
    find_test as find_test,
    join as join,
    load_train as load_train,
    split as split,
)
from .formats import (
    Bytes as Bytes,
)
