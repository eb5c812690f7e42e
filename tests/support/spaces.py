"""Search spaces of our models."""

import json

from keras_rnn.search.space import search_space

PLAIN = {"cell": ["lstm", "gru"], "num_layers": [1, 2, 3], "hidden_size": [8, 16]}


def make_space(options, **settings):
    return search_space(options, **settings)[1]


def space(**options):
    return make_space(options)


def per_layer(**options):
    return make_space({"hidden_size": [8, 16], **options}, hidden_size_per_layer=True)


def saved(hyperparameters):
    return json.loads(json.dumps(hyperparameters.get_config()))
