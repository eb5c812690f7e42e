"""A SavedModel that shows what reached it, written in a fraction of a second."""

import json
from pathlib import Path

import tensorflow as tf

CRASH, REFUSE, WAIT = "crash", "refuse", "wait:"


def write_echo_model(folder: Path, version: int, rows_independent: bool = True) -> Path:
    """Writes the version `folder/version`; returns its folder.

    Signatures:

        serving_default  text string (None,)
                         to echo, echo_bytes string (None,), length, version int32 (None,)
        numbers          x float32 (None, 2), y int64 (None,)
                         to sum float32 (None,)
        total            x float32 (None, 2)
                         to total float32 ()

    The text `wait:FILE` is not answered before there is such a file; `refuse` is refused as a model refuses its input,
    and `crash` fails in another way.
    """
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "text")])
    def serving_default(text):
        with tf.control_dependencies([tf.map_fn(_heed, text, fn_output_signature=tf.int32)]):
            length = tf.strings.length(text)
        return {
            "echo": tf.identity(text),
            "echo_bytes": tf.identity(text),
            "length": length,
            "version": tf.fill(tf.shape(text), version),
        }

    @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x"), tf.TensorSpec((None,), tf.int64, "y")])
    def numbers(x, y):
        return {"sum": tf.reduce_sum(x, axis=-1) + tf.cast(y, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x")])
    def total(x):
        return {"total": tf.reduce_sum(x)}

    version_folder = folder / str(version)
    signatures = {"serving_default": serving_default, "numbers": numbers, "total": total}
    tf.saved_model.save(module, str(version_folder), signatures=signatures)
    card = version_folder / "assets.extra" / "model_card.json"
    card.parent.mkdir()
    card.write_text(json.dumps({"rows_independent": rows_independent}))
    return version_folder


def _heed(text: tf.Tensor) -> tf.Tensor:
    """Does what one text says, and gives a number."""
    tf.debugging.assert_none_equal(text, REFUSE)
    file = tf.cond(
        tf.strings.regex_full_match(text, WAIT + ".*"),
        lambda: tf.strings.substr(text, len(WAIT), tf.strings.length(text)),
        lambda: tf.constant("/"),
    )

    def missing(turn):
        empty_string = tf.strings.substr(tf.strings.as_string(turn), 0, 0)  # so that every turn looks anew
        return tf.equal(tf.size(tf.io.matching_files(file + empty_string)), 0)

    turns = tf.while_loop(missing, lambda turn: (turn + 1,), (tf.constant(0),))[0]
    crash = tf.equal(text, CRASH)
    return tf.cond(crash, lambda: tf.strings.length(tf.io.read_file("/no/such/file")), lambda: turns)
