"""GANomaly, f-AnoGAN and RD4AD against the second implementation: networks, losses, scores and parameter counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import small
from reference import plain_adversarial as plain
from reference.plain import Weights
from reference.plain_reconstruction import count_decoder, count_encoder, decode, encode
from reference.test_networks import filled, learned, left_in_batch_norms, noise
from scipy.ndimage import gaussian_filter
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from medad.functional.adversarial import gradient_penalty
from medad.networks._residual_gan import contracting, generating, layer_norm
from medad.networks._reverse_distillation import Student

HIDDEN, LATENT, WIDTH = 32, 4, 4  # of the small methods
SHAPES = ((8, 8, 8), (12, 4, 4), (16, 2, 2))  # of a teacher's maps


def copied(network: nn.Module) -> Weights:
    return Weights({key: value.clone() for key, value in network.state_dict().items()})


@pytest.mark.parametrize(("contextual", "power"), [("squared", 2), ("absolute", 1)])
@torch.no_grad()
def test_losses_and_scores_of_ganomaly(contextual: str, power: int) -> None:
    method = small("ganomaly", channels=3, hidden=HIDDEN, latent=LATENT, contextual=contextual)
    players = method.players
    filled(players, seed=3)
    images = noise(4, 5, 3, 32, 32)

    def coded(name: str, x: Tensor) -> Tensor:
        return encode(x, LATENT, HIDDEN, copied(players.generator[name]), False, normalized=False)

    def judged(x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits: the last layer is a product with its weights."""
        weights = copied(players.discriminator)
        matrix, bias = weights.left[-2:]
        weights.left[-2:] = [torch.eye(HIDDEN), torch.zeros(HIDDEN)]
        found = encode(x, HIDDEN, HIDDEN, weights, False, normalized=False)
        return found, (found @ matrix.T + bias)[:, 0]

    codes = coded("encoder", images)
    made = decode(codes, 2, 3, HIDDEN, copied(players.generator["decoder"]), False, normalized=False)
    again = coded("second_encoder", made)
    (real_features, real), (fake_features, fake) = judged(images), judged(made)
    expected = ((real_features - fake_features) ** 2).mean() + ((codes - again) ** 2).mean()
    expected = expected + 50 * ((images - made).abs() ** power).mean()
    assert_close(method._generator_loss(images), expected, rtol=1e-4, atol=1e-5)
    entropy = -(torch.log(1 / (1 + torch.exp(-real))) + torch.log(1 - 1 / (1 + torch.exp(-fake)))).mean() / 2
    assert_close(method._discriminator_loss(images), entropy, rtol=1e-4, atol=1e-5)
    scored = method.score(images)
    assert_close(scored["latent"].score, ((codes - again) ** 2).mean(dim=1), rtol=1e-3, atol=1e-5)
    for one in scored.values():
        assert_close(one.anomaly_map[:, 0], ((images - made) ** 2).mean(dim=1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@torch.no_grad()
def test_residual_networks(training: bool) -> None:
    images, codes = noise(4, 3, 3, 32, 32), noise(5, 3, LATENT)
    for network, norm in (
        (contracting(3, 32, 2, WIDTH, layer_norm), "layer"),
        (contracting(3, 32, 2, WIDTH, nn.BatchNorm2d), "batch"),
    ):
        weights = copied(filled(network, seed=1))
        expected = plain.contracting(images, 2, WIDTH, weights, norm, training)
        weights.finished()
        assert_close(network.train(training)(images), expected, rtol=1e-4, atol=1e-4)
        if training:
            assert_close(left_in_batch_norms(network), weights.running, rtol=1e-4, atol=1e-5)
    network = filled(generating(3, 32, LATENT, WIDTH), seed=2)
    weights = copied(network)
    expected = plain.generating(codes, 2, 3, WIDTH, weights, training)
    weights.finished()
    assert expected.std() > 0.05
    assert_close(network.train(training)(codes), expected, rtol=1e-4, atol=1e-5)


def test_losses_and_scores_of_fanogan() -> None:
    method = small("fanogan", width=WIDTH, latent=LATENT)
    for seed, network in enumerate((*method.players.values(), method.encoder)):
        filled(network, seed)
    generator, critic = method.players["generator"], method.players["critic"]
    images, rng = noise(4, 5, 1, 32, 32), Generator().manual_seed(6)
    with torch.no_grad():
        fake = plain.generating(torch.randn(5, LATENT, generator=rng), 2, 1, WIDTH, copied(generator))
    shares = torch.rand(5, generator=rng)
    between = (images + shares.view(-1, 1, 1, 1) * (fake - images)).requires_grad_()
    plain.contracting(between, 1, WIDTH, copied(critic), "layer").sum().backward()
    slopes = between.grad.square().sum(dim=(1, 2, 3)).sqrt()
    with torch.no_grad():
        fooled, trusted = (plain.contracting(x, 1, WIDTH, copied(critic), "layer").mean() for x in (fake, images))
        expected = fooled - trusted + 10 * ((slopes - 1) ** 2).mean()
        assert_close(method._generator_loss(Generator().manual_seed(6), images), -fooled, rtol=1e-4, atol=1e-5)
    loss = method._critic_loss(Generator().manual_seed(6), images)
    assert_close(loss.detach(), expected, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        codes = plain.contracting(images, LATENT, WIDTH, copied(method.encoder), "batch")
        made = plain.generating(codes, 2, 1, WIDTH, copied(generator))
        apart = (plain.features(made, WIDTH, copied(critic)) - plain.features(images, WIDTH, copied(critic))) ** 2
        errors = (made - images) ** 2
        assert_close(method._encoder_loss(images), errors.mean() + apart.mean(), rtol=1e-4, atol=1e-5)
    scored = method.score(images)
    assert_close(scored["rec"].score, errors.mean(dim=(1, 2, 3)), rtol=1e-4, atol=1e-5)
    assert_close(scored["izif"].score, errors.mean(dim=(1, 2, 3)) + apart.mean(dim=1), rtol=1e-4, atol=1e-5)
    assert_close(scored["izif"].anomaly_map, errors, rtol=1e-3, atol=1e-4)


def test_gradient_penalty_by_hand() -> None:
    """A plane of slope 3 has (3 - 1)^2 everywhere; |x|^2 / 2 has the gradient x, here of length 3 and 0.5."""
    real, fake = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    plane = torch.tensor([1.0, 2.0, 2.0, 0.0])
    assert float(gradient_penalty(lambda x: x.flatten(1) @ plane, real, fake, torch.rand(2))) == pytest.approx(4)
    real[:, 0, 0, 0], fake[:, 0, 0, 0] = torch.tensor([2.0, 0.0]), torch.tensor([4.0, 2.0])
    penalty = gradient_penalty(lambda x: x.square().sum(dim=(1, 2, 3)) / 2, real, fake, torch.tensor([0.5, 0.25]))
    assert float(penalty) == pytest.approx(((3 - 1) ** 2 + (0.5 - 1) ** 2) / 2)
    curved = torch.tensor(
        2.0, requires_grad=True
    )  # the penalty moves the critic: (2 c - 1)^2 at x = 1 has slope 4 (2 c - 1)
    ones = torch.ones(1, 1, 1, 1)
    gradient_penalty(lambda x: curved * x.square().sum(), ones, ones, torch.zeros(1)).backward()
    assert float(curved.grad) == pytest.approx(2 * (4 - 1) * 2)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@torch.no_grad()
def test_student_of_reverse_distillation(training: bool) -> None:
    student = filled(Student([shape[0] for shape in SHAPES], (2, 1, 2, 3)), seed=4)
    maps = [noise(place, 3, *shape) for place, shape in enumerate(SHAPES)]
    weights = copied(student)
    expected = plain.student(maps, (2, 1, 2, 3), weights, training)
    weights.finished()
    for ours, map_, one in zip(student.train(training)(maps), maps, expected, strict=True):
        assert ours.shape == map_.shape
        assert one.std() > 0.05
        assert_close(ours, one, rtol=1e-3, atol=1e-4)
    if training:
        assert_close(left_in_batch_norms(student), weights.running, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_loss_and_map_of_reverse_distillation() -> None:
    method = small("rd4ad", blocks=(1, 1, 1, 1))
    images = noise(4, 3, 1, 32, 32)
    teacher = [one.double().numpy() for one in method.backbone(images)]
    student = [one.double().numpy() for one in method.student(method.backbone(images))]

    def cosine(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return (first * second).sum(axis) / np.sqrt((first**2).sum(axis) * (second**2).sum(axis))

    pairs = list(zip(teacher, student, strict=True))
    expected = sum((1 - cosine(a.reshape(3, -1), b.reshape(3, -1), 1)).mean() for a, b in pairs)
    assert float(method._loss(images)) == pytest.approx(expected, rel=1e-4)
    total = np.zeros((3, 32, 32))
    for a, b in pairs:
        part = torch.from_numpy(1 - cosine(a, b, 1))[:, None]
        total += torch.nn.functional.interpolate(part, (32, 32), mode="bilinear", align_corners=True)[:, 0].numpy()
    scored = method.score(images)["max"]
    for index in range(3):
        whole = gaussian_filter(total[index], 4.0)
        assert scored.anomaly_map[index, 0].numpy() == pytest.approx(whole, rel=1e-3)
        assert float(scored.score[index]) == pytest.approx(whole.max(), rel=1e-3)


def test_parameter_counts() -> None:
    """Of the published sizes."""
    with torch.device("meta"):
        critic, encoder = contracting(1, 64, 1, 64, layer_norm), contracting(1, 64, 128, 64, nn.BatchNorm2d)
        generator, student = generating(1, 64, 128, 64), Student((256, 512, 1024), (3, 3, 4, 6))
    assert learned(critic) == plain.count_contracting(64, 1, 1, 64)
    assert learned(encoder) == plain.count_contracting(64, 1, 128, 64)
    assert learned(generator) == plain.count_generating(64, 1, 128, 64)
    assert learned(student) == plain.count_student((256, 512, 1024), (3, 3, 4, 6))
    shape = 64, 1, 16, 1024
    players = small("ganomaly", size=64, latent=16, hidden=1024).players
    coding = count_encoder(*shape, normalized=False)
    assert learned(players.generator) == 2 * coding + count_decoder(*shape, normalized=False)
    assert learned(players.discriminator) == coding - 15 * 1025
