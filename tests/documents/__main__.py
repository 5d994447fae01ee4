"""`python -m tests.documents`: how many commands and blocks of the docs are run, judged and listed."""

from tests.documents.counting import told
from tests.documents.listed import NOT_RUN, PROGRAMS
from tests.documents.reading import current_pages
from tests.documents.survey import in_blocks, in_sentences

if __name__ == "__main__":
    pages = current_pages()
    blocks = [each for page in pages for each in in_blocks(page)]
    sentences = [each for page in pages for each in in_sentences(page)]
    print(f"{len(pages)} pages")
    print("\n".join(told(blocks, sentences)))
    for page, reason in NOT_RUN.items():
        print(f"  judged and not run: {page}: {reason}")
    for (page, program), reason in PROGRAMS.items():
        print(f"  listed: {page}: {program}: {reason}")
