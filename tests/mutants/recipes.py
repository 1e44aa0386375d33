"""Faults in recipes: sizes chosen for the wrong events, dials that do not arrive, trainings that change places."""

from .fault import Fault, Faults

FAULTS: Faults = {
    "recipes/recipe.py": (
        Fault("if name not in own}", "}", "the recipe's length stays beside the user's"),
        Fault("**{**kept, **training}", "**{**training, **kept}", "the recipe overrides the user"),
        Fault("stage.model.fit(stage.data(data)", "stage.model.fit(data", "a stage is fitted to whole events"),
    ),
    "recipes/dials.py": (
        Fault("if not least <= each < math.inf:", "if not least < each < math.inf:", "the least is refused"),
        Fault("if not least <= each < math.inf:", "if not least <= each:", "infinity is taken"),
        Fault("1 if isinstance(each, int) else 0", "0", "a count of nothing is taken"),
        Fault(
            "if all(_same(make, each, turned) for each in tried):",
            "if any(_same(make, each, turned) for each in tried):",
            "the default by chance is refused",
        ),
        Fault(
            "return [choice for choice in get_args(kind) if choice != value]",
            "return []",
            "other choices are not tried",
        ),
        Fault(
            "yield place, tuple(thing.shape), thing.dtype, thing.requires_grad, values.tolist()",
            "yield place, tuple(thing.shape), thing.dtype",
            "weights alike by their shape",
        ),
    ),
    "recipes/orders.py": (
        Fault('None if kind == "raster" and', "None if", "every order of a vector is the raster's"),
        Fault("pixel_order(space.shape, kind)", 'pixel_order(space.shape, "raster")', "--pixel-order does nothing"),
    ),
    "recipes/counting.py": (
        Fault(
            '("causal" if space.is_image else "prefix")',
            '("prefix" if space.is_image else "causal")',
            "parents on a line in pictures",
        ),
        Fault('bits = 10 if neighbours == "causal" else 4', "bits = 4", "few parents in pictures"),
        Fault(
            'max(1, int(bits / math.log2(max(categories(space, "ARTable"), 2))))',
            "bits",
            "tables of levels that no events reach",
        ),
        Fault('"full" if space.dimensions <= 100 else "diagonal"', '"full"', "a covariance of few events"),
        Fault(
            "return Recipe.single(Dequantized(build(dequantized_space(space)), space))",
            "return Recipe.single(build(dequantized_space(space)))",
            "levels are scored as densities",
        ),
        Fault('covariance="diagonal"))', 'covariance="full"))', "independent variables with covariances"),
        Fault(
            "TableMixture(space, context_space=context_space, components=1)",
            "TableMixture(space, context_space=context_space)",
            "independent columns in many components",
        ),
    ),
    "recipes/autoregressive.py": (
        Fault('activation = "relu" if is_real else "sigmoid"', 'activation = "sigmoid"', "RNADE with sigmoids"),
        Fault('decay = 3e-4 if space.kind == "binary" else 1e-2', "decay = 1e-2", "bits decay like levels"),
        Fault("orders = 2 if is_large else 8", "orders = 8", "eight orders of large events"),
        Fault(
            'training |= {"validate_every": 5000, "validation_events": 200}',
            "pass",
            "large events are validated all the time",
        ),
        Fault(
            '{"epochs": 60, "batch_size": 100, "learning_rate": 1e-3, "precision": "auto"}',
            '{"epochs": 60, "batch_size": 100, "learning_rate": 1e-2, "precision": "auto"}',
            "a rate ten times too large",
        ),
        Fault("width = width if hidden is None else hidden", "width = width", "--hidden does nothing"),
    ),
    "recipes/tables.py": (
        Fault(
            "Forest(space, context_space=context_space, trees=trees, leaves=leaves, least=least, rounds=rounds)",
            "Forest(space, context_space=context_space, trees=trees, leaves=leaves, least=least)",
            "--rounds does nothing",
        ),
    ),
    "recipes/flows.py": (
        Fault(
            "kind = kind if space.dimensions > 1 else",
            "kind = kind if space.dimensions > 0 else",
            "one variable is coupled with none",
        ),
        Fault(
            "bound = 3.0 if space.is_discrete else 4.0", "bound = 4.0 if space.is_discrete else 3.0", "bounds exchanged"
        ),
        Fault("isinstance(space, Levels) and space.n > 32", "isinstance(space, Levels)", "a logit of few levels"),
        Fault("steps = steps if space.dimensions < 200 else 3000", "steps = steps", "large events stop early"),
        Fault("(64, 64) if space.dimensions <= 32 else (256, 256)", "(64, 64)", "small networks of large events"),
        Fault("space, margin=margin)", "space)", "the model is dequantised without its margin"),
        Fault('"hidden": hidden, "sees": "noise"}', '"hidden": hidden}', "IAF is MAF"),
    ),
    "recipes/latent.py": (
        Fault(
            'prior = ("mixture" if large else "standard") if prior == "auto" else prior',
            'prior = "standard" if prior == "auto" else prior',
            "a standard normal on large events",
        ),
        Fault('bend=bend if posterior == "iaf" else None', "bend=bend", "every posterior is bent"),
        Fault(
            "warmup=steps // 5 if rate_warmup is None",
            "warmup=steps if rate_warmup is None",
            "the rate warms up to the end",
        ),
        Fault("steps = 25_000 if large else", "steps = 2_500 if large else", "a tenth of the steps on large events"),
        Fault(
            "latent = min(30 if large else 8, space.dimensions) if latent is None",
            "latent = min(8, space.dimensions) if latent is None",
            "few codes of large events",
        ),
        Fault("latents=tuple(min(n, space.dimensions) for n in sizes)", "latents=sizes", "more codes than variables"),
    ),
    "recipes/diffusion.py": (
        Fault(
            "steps=(100 if coarse else 1000) if diffusion_steps",
            "steps=1000 if diffusion_steps",
            "a thousand steps on bits",
        ),
        Fault(
            'default = "linear" if isinstance(space, Real) else "cosine"',
            'default = "linear"',
            "the linear schedule on levels",
        ),
        Fault("eta=0.0 if coarse else 1.0", "eta=1.0", "fresh noise on coarse lattices"),
        Fault(
            "return -0.5 if len(space.shape) == 3 else -1.5",
            "return -1.5 if len(space.shape) == 3 else -0.5",
            "pictures and vectors exchanged",
        ),
        Fault(
            '"context_drop": 0.1 if guidance != 1 else 0.0',
            '"context_drop": 0.0',
            "guidance without a model that knows no context",
        ),
        Fault(
            "steps=min(space.dimensions, 100) if sampling_steps",
            "steps=space.dimensions if sampling_steps",
            "hundreds of calls for a sample",
        ),
        Fault("if len(space.shape) != 3 or max(sides) < 16:", "if len(space.shape) != 3:", "patches of small pictures"),
        Fault('"steps": 4500 if large else 4000', '"steps": 450 if large else 400', "a tenth of the steps"),
        Fault("200 if space.dimensions <= 8 else 20", "1000", "a density is validated on a thousand events"),
    ),
    "recipes/energy.py": (
        Fault("learning_rate=0.01 if model.exact else 0.001", "learning_rate=0.001", "the exact machine learns slowly"),
        Fault("(500 if large else 200) if hidden is None", "200 if hidden is None", "few hidden bits of large events"),
        Fault(
            'length = {"epochs": 15} if large else {"steps": 5000}',
            'length = {"steps": 5000}',
            "steps of small events on large ones",
        ),
        Fault('"joint" if space.dimensions <= 100 else "independent"', '"joint"', "NADE mends large pictures"),
        Fault(
            'default = 0.3 if kind == "independent"',
            'default = 0.1 if kind == "independent"',
            "pictures are spoilt too little",
        ),
        Fault("(1 if large else 5) if k is None", "5 if k is None", "five Gibbs steps on large events"),
    ),
    "recipes/adversarial.py": (
        Fault("UnitSlopes(gradient_penalty)", "UnitSlopes(gradient_penalty or 10.0)", "0 is the default of WGAN-GP"),
        Fault(
            "64 * packing if space.is_discrete else 256",
            "64 if space.is_discrete else 256",
            "packs of half as many batches",
        ),
        Fault(
            "NonSaturating() if practical else Minimax()",
            "Minimax() if practical else NonSaturating()",
            "practical and not exchanged",
        ),
        Fault("ZeroSlopes(weight, fakes=True)", "ZeroSlopes(weight)", "R3GAN without R2"),
        Fault('"spectral": cost == "hinge"}', '"spectral": False}', "hinge without spectral normalisation"),
    ),
    "recipes/players.py": (
        Fault(
            "return ZeroSlopes(weight) if weight > 0 else None",
            "return ZeroSlopes(weight or 1.0)",
            "a penalty of 0 is one of 1",
        ),
        Fault(
            "(1.0 if space.is_discrete else 0.1) if said is None else said",
            "(1.0 if space.is_discrete else 0.1) if not said else said",
            "0 is the default",
        ),
        Fault("betas=(0.5, squares)", "betas=(0.9, squares)", "a long memory of both players"),
        Fault("channels * packing, height", "channels, height", "a packed critic of pictures sees one"),
        Fault("latent, width, normalised=False,", "latent, width,", "critics that pay for slopes look at their batch"),
        Fault('"schedule": "linear", "ema": 0.99}', '"schedule": "linear"}', "the last weights, not their average"),
        Fault(
            '{"steps": steps, "batch_size": batch_size, "schedule": "linear"',
            '{"steps": steps, "batch_size": batch_size, "schedule": "constant"',
            "steps do not decay",
        ),
    ),
}
