"""The names of the files in a folder of results: one place for those who write them and those who read them."""

RESULT = "result.json"  # what was run, how it was judged, and the result rows
CASES = "cases.csv"  # the scores of every test study
PICTURES, PICTURE_INDEX = "cases", "cases.json"  # pictures of some studies, and what they show
