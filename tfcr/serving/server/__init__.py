"""A small server of one export: TF Serving's REST protocol (`rest`), the application (`app`), and a page to try it on.

`app.serve` is the way in. `app` and `page` need the extra `serve`; all but `rest` and `values` load TensorFlow.
"""
