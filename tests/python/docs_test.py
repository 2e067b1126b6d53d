"""Every example of docs/numpy.md and of its translation prints what the page says; and the two have the same examples."""
import doctest
import os
import re
import unittest

DOCS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "docs")
PAGES = ["numpy.md", "numpy.zh.md"]


def examples(page):
  with open(os.path.join(DOCS, page), encoding="utf-8") as f:
    # The fence after an example is no output of it.
    text = re.sub(r"(?m)^```.*$", "", f.read())
  return doctest.DocTestParser().get_doctest(text, {}, page, page, 0)


class DocsTest(unittest.TestCase):

  def test_pages(self):
    for page in PAGES:
      with self.subTest(page):
        told = []
        results = doctest.DocTestRunner(verbose=False).run(examples(page), out=told.append)
        self.assertGreater(results.attempted, 40)
        self.assertEqual(results.failed, 0, "".join(told))

  def test_the_translation_has_no_other_examples(self):
    english = [(e.source, e.want) for e in examples("numpy.md").examples]
    for e in examples("numpy.zh.md").examples:
      self.assertIn((e.source, e.want), english)


if __name__ == "__main__":
  unittest.main()
