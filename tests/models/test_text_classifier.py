import keras
import numpy as np
import pytest

from keras_rnn import UsageError, adapt_vectorizer, create_model, list_models, register_model, text_classifier
from keras_rnn.models import token_ids_model_of, token_model_of


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes takes at least 2, got 1"),
        ({"vocabulary_size": 2}, "vocabulary_size takes at least 3 .*, got 2"),
        ({"vocabulary_size": None}, "takes a vocabulary_size, a vectorizer or embeddings"),
        ({"embedding_size": 0}, "embedding_size takes a whole number of at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size takes a whole number of at least 1, got 0"),
        ({"cell": "ltsm"}, "unknown cell 'ltsm'; did you mean 'lstm'"),
        ({"pooling": "max_mean"}, "unknown pooling 'max_mean'; did you mean"),
        ({"pooling": "last", "num_layers": 0}, "pooling 'last' takes at least one recurrent layer"),
        ({"dropout": 1}, "dropout takes a number from 0 up to"),
        ({"bidirectional": "yes"}, "bidirectional takes True or False, got 'yes'"),
        ({"max_length": 5}, "max_length takes a vectorizer beside it"),
        ({"embeddings": np.zeros((9, 2))}, "embeddings has 9 rows, but vocabulary_size is 10"),
        ({"embeddings": np.zeros(10)}, r"embeddings takes a matrix .*, got shape \(10,\)"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        text_classifier(**{"num_classes": 3, "vocabulary_size": 10, **options})


def test_a_vectorizer_larger_than_the_vocabulary_is_refused():
    with pytest.raises(UsageError, match="the vectorizer has 6 tokens, more than vocabulary_size 5"):
        text_classifier(num_classes=2, vocabulary_size=5, vectorizer=adapt_vectorizer(["a b c d"]))


def test_parameters_are_those_of_the_equations():
    # embedding 10 x 6; LSTM 4 * (in + hidden + 1) * hidden, both directions, two layers; dense on 2 * 3.
    model = text_classifier(
        num_classes=3, vocabulary_size=10, embedding_size=6, hidden_size=[5, 3], num_layers=2, bidirectional=True
    )
    assert model.count_params() == 10 * 6 + 2 * 4 * (6 + 5 + 1) * 5 + 2 * 4 * (10 + 3 + 1) * 3 + (6 + 1) * 3


@pytest.mark.parametrize("trainable", [True, False])
def test_pretrained_embeddings_are_used_and_may_be_frozen(trainable):
    matrix = np.arange(20, dtype="float32").reshape(10, 2)
    model = text_classifier(num_classes=2, embeddings=matrix, trainable_embeddings=trainable)
    layer = model.get_layer("embedding")
    np.testing.assert_array_equal(layer.get_weights()[0], matrix)
    assert bool(layer.trainable_variables) is trainable


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(pooling, cell, bidirectional):
    keras.utils.set_random_seed(3)
    model = text_classifier(
        num_classes=2, vocabulary_size=9, cell=cell, hidden_size=4, pooling=pooling, bidirectional=bidirectional
    )
    rows = np.array([[3, 4, 5], [6, 0, 0]], "int32")
    np.testing.assert_allclose(model(np.pad(rows, ((0, 0), (0, 6)))), model(rows), atol=1e-6)


def test_max_length_cuts_the_text_from_its_end():
    vectorizer = adapt_vectorizer(["a b c d"])
    model = text_classifier(num_classes=2, vectorizer=vectorizer, max_length=2)
    texts = np.array(["a b", "a b c d", "a c"], dtype=object)
    logits = np.asarray(model(keras.ops.convert_to_tensor(texts, dtype="string")))
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)
    assert np.abs(logits[0] - logits[2]).max() > 1e-6


def test_the_token_model_inside_shares_the_weights():
    model = text_classifier(num_classes=2, vectorizer=adapt_vectorizer(["a b"]))
    assert any(weight is token_model_of(model).get_layer("logits").kernel for weight in model.weights)
    assert token_model_of(model).count_params() == model.count_params()
    with pytest.raises(UsageError, match="is no text model"):
        token_model_of(token_model_of(model))


def test_the_token_ids_are_those_that_the_token_model_is_given():
    model = text_classifier(num_classes=2, vectorizer=adapt_vectorizer(["a a a b b c"]), max_length=2, hidden_size=3)
    texts = keras.ops.convert_to_tensor(["c b a", "a", ""])
    token_ids = token_ids_model_of(model)(texts)
    assert token_ids.dtype == "int32"
    assert keras.ops.convert_to_numpy(token_ids).tolist() == [[4, 3], [2, 0], [1, 0]]
    np.testing.assert_array_equal(token_model_of(model)(token_ids), model(texts))
    further = keras.Model(model.inputs, keras.layers.Softmax()(model.outputs[0]), name="further")
    with pytest.raises(UsageError, match="'further' is no text model of keras_rnn: it does not end with its token"):
        token_ids_model_of(further)


def test_names_are_listed_by_pattern():
    assert "bilstm_2x64" in list_models()
    assert list_models("lesson_tf?_*") == [
        "lesson_tf1_simple_rnn_16",
        "lesson_tf2_simple_rnn_16_masked",
        "lesson_tf3_lstm_8",
        "lesson_tf4_bilstm_2x64",
    ]
    assert all("lstm" in name for name in list_models("*lstm*"))
    assert list_models("nothing*") == []


def test_overrides_replace_the_registered_hyperparameters():
    model = create_model("lesson_tf3_lstm_8", num_classes=2, vocabulary_size=10, hidden_size=5)
    assert model.name == "lesson_tf3_lstm_8"
    assert model.get_layer("rnn_0").units == 5


def test_registry_errors_are_named():
    with pytest.raises(UsageError, match="unknown model 'bilstm_2x46'; did you mean 'bilstm_2x64'"):
        create_model("bilstm_2x46", num_classes=2, vocabulary_size=10)
    with pytest.raises(
        UsageError, match="unknown hyperparameter of model 'lstm_64': 'hiden_size'; did you mean 'hidden"
    ):
        create_model("lstm_64", num_classes=2, vocabulary_size=10, hiden_size=3)
    with pytest.raises(UsageError, match="'lstm_64' is registered already"):
        register_model("lstm_64", description="again")(text_classifier)


def test_a_builder_of_ones_own_is_registered_by_the_decorator():
    @register_model("test_own_model", description="mine", hyperparameters={"units": 3})
    def own(*, num_classes, vocabulary_size, units, name):
        token_ids = keras.Input((None,), dtype="int32")
        x = keras.layers.GRU(units)(keras.layers.Embedding(vocabulary_size, 2)(token_ids))
        return keras.Model(token_ids, keras.layers.Dense(num_classes)(x), name=name)

    assert "test_own_model" in list_models("test_*")
    assert create_model("test_own_model", num_classes=4, vocabulary_size=6).output_shape == (None, 4)
