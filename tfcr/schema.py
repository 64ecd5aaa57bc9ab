"""The sizes that every part of the package agrees on, each with its source. Loads nothing."""

SAMPLE_RATE = 16_000  # Hz; IEMOCAP's own rate
FFT_LENGTH = 256  # samples (Sec. 4.2)
HOP_LENGTH = FFT_LENGTH // 2  # "50 % of the number of FFT points" (Sec. 4.2)
NUM_BINS = FFT_LENGTH // 2  # the one-sided spectrum without its Nyquist bin: "128 x 128" (Sec. 4.2)
SEGMENT_FRAMES = 128  # "approximate one second": 128 frames x 8 ms = 1.02 s (Sec. 4.2)
FLOOR_PSD = 1e-14  # power spectral density below which a frame counts as silent
FLOOR_DB = -140.0  # 10 log10(FLOOR_PSD); also what fills the frames of a partial segment

MAX_TOKENS = 30  # words of a sentence (Sec. 4.2)
EMBEDDING_DIM = 300  # components of a word vector (Sec. 4.2), unless pretrained ones have others

MAX_SECONDS = 300  # of a recording that an export answers; utterances last seconds

FEATURES_REVISION = 1  # raise it whenever equal input gives other features than before: shards are then written anew

EMOTIONS = ("neutral", "happiness", "sadness", "anger")  # labels 0 to 3 (Sec. 4.1)
MERGE = {"excitement": "happiness"}  # "Samples with excitement are merged with happiness" (Sec. 4.1)
