"""`pipeline(task, model=...)`: pictures, and questions or beginnings of texts, in; records out.

    captioner = pipeline("image-to-text", model="microsoft/git-base-coco")
    captioner(["dog.jpg", "cat.jpg"], max_new_tokens=20, batch_size=2)

A list gives a list, a generator an iterator that works as it is asked. A picture is a path, an
address, a Pillow picture or an array. Source of inputs and outputs: transformers 4.37.2,
`pipelines/image_to_text.py` and `visual_question_answering.py`; 5.23.0, `image_text_to_text.py`.

tasks.py    the three kinds, and `pipeline`      inputs.py   what they are given
"""

from .tasks import pipeline as pipeline
