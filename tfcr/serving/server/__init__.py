"""A small server of one export: TF Serving's REST protocol (`rest`), the application (`app`), and a page to try it on.

`app.serve` is the way in; `connections` and `bodies` are how it is asked. These and `page` need the extra `serve`;
`served` and `page` load TensorFlow.
"""
