"""Define the names of the files in a folder of results, for the code that writes and reads them."""

RESULT = "result.json"  # settings of the experiment and its evaluation, and the result rows
CASES = "cases.csv"  # the scores of every test study
PICTURES, PICTURE_INDEX = "cases", "cases.json"  # folder with pictures of some studies, and its index
