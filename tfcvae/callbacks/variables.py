"""What a training run changes."""


def training_variables(model):
    """The variables of a model and of its optimizer, which is built if the model is.

    Args:
        model: a compiled `keras.Model`.
    """
    if model.built and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
