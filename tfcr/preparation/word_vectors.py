"""The word vectors of a dataset: pretrained, or trained on its own transcripts."""

from collections.abc import Sequence

from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.features.embeddings import Coverage, WordVectors, load_word_vectors, train_word_vectors
from tfcr.preparation.options import Preparation, Progress
from tfcr.wording import counted


def word_vectors(preparation: Preparation, words: Sequence[Sequence[str]], progress: Progress) -> WordVectors:
    """Pretrained vectors, or without a file vectors trained on the dataset itself."""
    if preparation.embeddings is not None:
        return load_word_vectors(
            preparation.embeddings, {word for sentence in words for word in sentence}, progress.say
        )
    if not (preparation.out / INFO).is_file():  # else it was said before
        progress.say(
            "No --embeddings: Word2Vec is trained on this dataset's own transcripts, test ones included "
            "(transductive); figures for a paper want pretrained vectors (the paper: word2vec-google-news-300)"
        )
    return train_word_vectors(words)


def check_coverage(preparation: Preparation, coverage: Coverage, progress: Progress) -> None:
    """Refuses pretrained vectors that have none of the corpus's words; says where they have less than half."""
    if preparation.embeddings is None or not coverage.words:
        return
    fact = f"--embeddings {preparation.embeddings}: {coverage.known} of {counted(coverage.words, 'word')}"
    if not coverage.known:
        most = ", ".join(map(repr, list(coverage.summary(most=3)["out_of_vocabulary"])))
        raise TfcrError(f"{fact} have a vector, not even {most}; are the vectors of another language, or another file?")
    if coverage.known < coverage.words / 2:
        progress.say(f"{fact} have a vector, less than half; are the vectors of the corpus's language?")
