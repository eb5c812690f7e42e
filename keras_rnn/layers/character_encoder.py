"""From the characters of each word to one vector a word."""

import keras
from keras import ops

from keras_rnn.checks import one_of, whole_number
from keras_rnn.layers.embedding import TokenEmbedding
from keras_rnn.layers.recurrent import LSTM, Bidirectional

CHARACTER_ENCODERS = ("cnn", "lstm")
CNN_WIDTH = 3  # characters that a filter sees, as in Ma and Hovy 2016


@keras.saving.register_keras_serializable("keras_rnn")
class CharacterEncoder(keras.layers.Layer):
    """Character ids int32 `(batch, time, characters)`, 0 = padding, to `(batch, time, features)`.

    "cnn" is that of Ma and Hovy 2016, arXiv 1603.01354, section 2.1: a convolution over three characters, and the
    maximum over the word; `hidden_size` features, rectified. "lstm" is that of Lample et al. 2016, arXiv 1603.01360,
    section 4.1: the last states of an LSTM in each direction; `2 * hidden_size` features. Padding of a word does not
    count, and a word of padding only is a vector of zeros. The Keras mask, `(batch, time)`, keeps the other words.

    Args:
        vocabulary_size: character ids there are, padding (0) and unknown (1) included.
        embedding_size: features of a character.
        hidden_size: filters, or units of each direction.
        kind: "cnn" or "lstm".
        use_cudnn: as in keras.layers.LSTM.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        kind: str = "cnn",
        use_cudnn: bool | str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = whole_number("character_vocabulary_size", vocabulary_size)
        self.embedding_size = whole_number("character_embedding_size", embedding_size)
        self.hidden_size = whole_number("character_hidden_size", hidden_size)
        self.kind = one_of("characters", kind, CHARACTER_ENCODERS)
        self.use_cudnn = use_cudnn
        self.embedding = TokenEmbedding(
            self.vocabulary_size, self.embedding_size, mask_zero=True, dtype=self.dtype_policy, name="embedding"
        )
        if self.kind == "cnn":
            self.encoder = keras.layers.Conv1D(
                self.hidden_size, CNN_WIDTH, padding="same", activation="relu", dtype=self.dtype_policy, name="encoder"
            )
        else:
            lstm = LSTM(self.hidden_size, use_cudnn=use_cudnn, dtype=self.dtype_policy, name="lstm")
            self.encoder = Bidirectional(lstm, dtype=self.dtype_policy, name="encoder")

    def build(self, input_shape):
        self.embedding.build((None, None))
        self.encoder.build((None, None, self.embedding_size))

    def call(self, character_ids, training=None):
        batch, time, characters = ops.shape(character_ids)
        words = ops.reshape(character_ids, (-1, characters))
        is_character = words != 0
        x = self.embedding(words)
        if self.kind == "cnn":
            is_character = ops.cast(is_character, x.dtype)[:, :, None]
            x = ops.max(self.encoder(x * is_character) * is_character, axis=1)  # no feature is below 0
        else:
            x = self.encoder(x, mask=self.embedding.compute_mask(words), training=training)
            x *= ops.cast(ops.any(is_character, axis=1), x.dtype)[:, None]
        return ops.reshape(x, (batch, time, self.features))

    def compute_mask(self, character_ids, mask=None):
        return ops.any(character_ids != 0, axis=-1)

    @property
    def features(self) -> int:
        return self.hidden_size if self.kind == "cnn" else 2 * self.hidden_size

    def compute_output_spec(self, character_ids, training=None):
        return keras.KerasTensor((*character_ids.shape[:2], self.features), self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_size": self.embedding_size,
            "hidden_size": self.hidden_size,
            "kind": self.kind,
            "use_cudnn": self.use_cudnn,
        }
