"""The word vectors of a dataset: pretrained, or trained on its own transcripts."""

from collections.abc import Sequence

from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.features import gensim_data
from tfcr.features.coverage import Coverage, likeliest_reason, told, warning
from tfcr.features.embeddings import WordVectors, load_word_vectors, train_word_vectors
from tfcr.features.presets import PRESETS
from tfcr.preparation.options import Preparation, Progress
from tfcr.wording import counted


def word_vectors(preparation: Preparation, words: Sequence[Sequence[str]], progress: Progress) -> WordVectors:
    """Pretrained vectors, or without a file vectors trained on the dataset itself."""
    look_up = PRESETS[preparation.preset].look_up
    if preparation.embeddings is not None:
        return load_word_vectors(
            preparation.embeddings, {word for sentence in words for word in sentence}, progress.say, look_up
        )
    if not (preparation.out / INFO).is_file():  # else it was said before
        progress.say(
            "No --embeddings: Word2Vec is trained on this dataset's own transcripts, test ones included "
            f"(transductive); figures for a paper want pretrained vectors, by --embeddings {gensim_data.PREFIX}"
            f"{gensim_data.OF_THE_PAPER} (the paper's), or {gensim_data.PREFIX}{gensim_data.SMALL}, there in a minute"
        )
    return train_word_vectors(words, look_up=look_up)


def check_coverage(preparation: Preparation, coverage: Coverage, progress: Progress) -> None:
    """Tells how many words have a pretrained vector, and warns where they are few; refuses vectors that have none."""
    if preparation.embeddings is None or not coverage.words:
        return
    if not coverage.known:
        most = ", ".join(map(repr, coverage.most_missing[:3]))
        raise TfcrError(
            f"--embeddings {preparation.embeddings}: 0 of {counted(coverage.words, 'word')} have a vector, not even "
            f"{most}; {likeliest_reason(coverage)}, or is this another file?"
        )
    progress.say(told(coverage))
    if warned := warning(coverage):
        progress.say(f"Warning: {warned}")
