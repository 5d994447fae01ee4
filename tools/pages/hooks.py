"""mkdocs' hooks: the pages are files of the checkout, by the paths that they have there.

So a link between two files is right on the code host and on the site, and what it leads to (a stack's file, a
licence) is on the site as well. Addresses leave `docs/` out.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tools.pages.files import ROOT, address, files


def on_files(found: Files, *, config: MkDocsConfig) -> Files:
    """Replaces what mkdocs found in docs_dir; what the theme brings stays."""
    brought = [each for each in found if not each.src_dir or Path(each.src_dir) != Path(config.docs_dir)]
    own = [
        File(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=address(path))
        for path in files()
    ]
    return Files([*own, *brought])
