#!/bin/sh
# Reads INPUT_FILE_PATH, writes into TMP_OUTPUT_DIR; any interpreter with Pillow will do.
set -eu
echo "thumbnail of ${STORAGE_OBJECT_KEY}"
exec "${HEADRACE_PYTHON:-python3}" - <<'PYTHON'
import os
from pathlib import Path

from PIL import Image

source = Path(os.environ["INPUT_FILE_PATH"])
side = int(os.environ.get("THUMBNAIL_SIDE", "256"))
with Image.open(source) as picture:
    picture.thumbnail((side, side))
    picture.save(Path(os.environ["TMP_OUTPUT_DIR"]) / source.name)
PYTHON
