"""`python -m tests.documents`: how many commands and blocks of the docs are run, judged and listed."""

from collections import Counter

from tests.documents.listed import PROGRAMS
from tests.documents.reading import current_pages
from tests.documents.survey import WHERE, Fate, survey

if __name__ == "__main__":
    pages = current_pages()
    found = [each for page in pages for each in survey(page)]
    counts = Counter(each.fate for each in found)
    print(f"{len(pages)} pages: " + ", ".join(f"{counts[fate]} {fate}" for fate in Fate))
    for place, count in Counter(each.by for each in found if each.fate is Fate.RUN).most_common():
        print(f"  {count:4} run on {WHERE.get(place, 'any machine')}")
    for by, count in Counter(each.by for each in found if each.fate is Fate.JUDGED).most_common():
        print(f"  {count:4} judged by {by}")
    for (page, program), reason in PROGRAMS.items():
        print(f"  listed: {page}: {program}: {reason}")
