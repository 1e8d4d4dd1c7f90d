"""Support vector machines against scikit-learn's LIBSVM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from classical_specs import classifier, predict, regressor, svm_classifier, svm_regressor
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

import mltoolkit as mlt
from mltoolkit.errors import InvalidModelError
from mltoolkit.runtime.classical.pairwise_coupling import couple

# scikit-learn 1.9 advises against probability=True, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*prob.*:FutureWarning")

KERNELS: tuple[dict[str, Any], ...] = (
    {"kernel": "linear"},
    {"kernel": "rbf", "gamma": 0.3},
    {"kernel": "poly", "degree": 3, "gamma": 0.2, "coef0": 1.0},
    {"kernel": "sigmoid", "gamma": 0.1, "coef0": 0.2},
)


def data(classes: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(classes)
    points = np.round(generator.normal(size=(60, 4)), 1) * (generator.random((60, 4)) > 0.3)
    scores = points @ generator.normal(size=(4, classes)) + generator.normal(size=(60, classes))
    return points, np.argmax(scores, axis=1)


def set_kernel(kernel: Any, fitted: Any) -> None:
    message = getattr(kernel, fitted.kernel + "Kernel")
    message.SetInParent()
    if fitted.kernel != "linear":
        message.gamma = fitted.gamma
    if fitted.kernel in ("poly", "sigmoid"):
        message.c = fitted.coef0
    if fitted.kernel == "poly":
        message.degree = fitted.degree


def set_vectors(machine: Any, fitted: Any, *, sparse: bool) -> None:
    for vector in fitted.support_vectors_:
        if sparse:
            entry = machine.sparseSupportVectors.vectors.add()
            for place in np.flatnonzero(vector):
                entry.nodes.add(index=int(place) + 1, value=vector[place])
        else:
            machine.denseSupportVectors.vectors.add(values=vector)


def classifier_spec(fitted: Any, *, sparse: bool = False) -> Any:
    spec = classifier({"x": (4,)}, "supportVectorClassifier", fitted.classes_.tolist())
    machine = spec.supportVectorClassifier
    set_kernel(machine.kernel, fitted)
    set_vectors(machine, fitted, sparse=sparse)
    machine.numberOfSupportVectorsPerClass.extend(fitted.n_support_.tolist())
    # For two classes scikit-learn turns the signs of LIBSVM's coefficients round, and of -rho.
    sign = -1.0 if len(fitted.classes_) == 2 else 1.0
    for row in sign * fitted.dual_coef_:
        machine.coefficients.add(alpha=row)
    machine.rho.extend(-sign * fitted.intercept_)
    if fitted.probability:
        machine.probA.extend(fitted.probA_)
        machine.probB.extend(fitted.probB_)
    return spec


@pytest.mark.parametrize("options", KERNELS, ids=lambda options: options["kernel"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("machine", [SVR(C=2.0), NuSVR(nu=0.4)], ids=["C", "nu"])
def test_regression_equals_libsvm(options: dict[str, Any], sparse: bool, machine: Any) -> None:
    points, target = data(3)
    fitted = machine.set_params(**options).fit(points, target)
    spec = regressor({"x": (4,)})
    set_kernel(spec.supportVectorRegressor.kernel, fitted)
    set_vectors(spec.supportVectorRegressor, fitted, sparse=sparse)
    spec.supportVectorRegressor.coefficients.alpha.extend(fitted.dual_coef_[0])
    spec.supportVectorRegressor.rho = -fitted.intercept_[0]
    model = mlt.Model.from_spec(spec)
    made = [model.predict({"x": point})["target"] for point in points]
    # Two orders of some sixty float64 additions of terms up to 100.
    np.testing.assert_allclose(made, fitted.predict(points), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", KERNELS, ids=lambda options: options["kernel"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_votes_equal_libsvm(options: dict[str, Any], classes: int) -> None:
    points, target = data(classes)
    fitted = SVC(C=1.5, **options).fit(points, target)
    model = mlt.Model.from_spec(classifier_spec(fitted, sparse=classes == 3))
    made = [model.predict({"x": point})["label"] for point in points]
    np.testing.assert_array_equal(made, fitted.predict(points))


@pytest.mark.parametrize("machine", [SVC(probability=True), NuSVC(nu=0.2, probability=True)], ids=["C", "nu"])
@pytest.mark.parametrize("classes", [3, 5])
def test_coupled_probabilities_equal_libsvm(machine: Any, classes: int) -> None:
    points, target = data(classes)
    fitted = machine.set_params(gamma=0.3, random_state=0).fit(points, target)
    model = mlt.Model.from_spec(classifier_spec(fitted))
    made = [model.predict_raw({"x": point})["probabilities"] for point in points]
    # The same iterations from the same start.
    np.testing.assert_allclose(made, fitted.predict_proba(points), atol=1e-9)


def test_probabilities_of_two_classes_are_those_of_the_pair() -> None:
    points, target = data(2)
    fitted = SVC(probability=True, gamma=0.3, random_state=0).fit(points, target)
    model = mlt.Model.from_spec(classifier_spec(fitted))
    for point, decision in zip(points, fitted.decision_function(points), strict=True):
        # scikit-learn's decision is LIBSVM's with its sign turned round, and counts for the second class.
        first = 1 / (1 + np.exp(-fitted.probA_[0] * decision + fitted.probB_[0]))
        raw = model.predict_raw({"x": point})["probabilities"]
        np.testing.assert_allclose(raw, [first, 1 - first], atol=1e-9)


def test_coupling_minimises_what_the_paper_says() -> None:
    generator = np.random.default_rng(5)
    for classes in (3, 4, 8):
        pairs = generator.uniform(0.1, 0.9, (classes, classes))
        pairs = np.triu(pairs, 1) + np.tril(1 - pairs.T, -1)
        q = -pairs.T * pairs
        np.fill_diagonal(q, (pairs**2).sum(axis=0) - np.diag(pairs) ** 2)
        # Wu, Lin and Weng, equation (21): the optimum solves a linear system.
        system = np.block([[q, np.ones((classes, 1))], [np.ones((1, classes)), np.zeros((1, 1))]])
        optimum = np.linalg.solve(system, [*np.zeros(classes), 1.0])[:-1]
        made = couple(pairs)
        assert made.sum() == pytest.approx(1.0)
        # LIBSVM stops once no derivative is off by more than 0.005 / classes.
        np.testing.assert_allclose(made, optimum, atol=0.02)


def test_a_regressor_by_hand() -> None:
    spec, inputs = svm_regressor()
    assert predict(spec, inputs)["target"] == pytest.approx(1.0 - 2.0 * np.exp(-0.5 * 4.0) - 0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda svm: svm.ClearField("kernel"), "no kernel"),
        (lambda svm: setattr(svm.kernel.polyKernel, "degree", -1), "degree"),
        (lambda svm: setattr(svm.kernel.polyKernel, "gamma", -1.0), "gamma"),
        (lambda svm: setattr(svm.kernel.polyKernel, "gamma", float("nan")), "gamma"),
        (lambda svm: svm.ClearField("sparseSupportVectors"), "no support vectors"),
        (lambda svm: svm.sparseSupportVectors.vectors[0].nodes.add(index=3, value=1.0), "at least 3 numbers"),
        (lambda svm: svm.sparseSupportVectors.vectors[0].nodes.add(index=2**31 - 1, value=1.0), "numbers"),
        (lambda svm: svm.sparseSupportVectors.vectors[0].nodes.add(index=0, value=1.0), "count from 1"),
        (lambda svm: svm.numberOfSupportVectorsPerClass.__setitem__(0, 2), "share out"),
        (lambda svm: svm.numberOfSupportVectorsPerClass.__setitem__(slice(0, 2), [-1, 3]), "share out"),
        (lambda svm: svm.coefficients.add(alpha=[1.0, 1.0, 1.0]), "rows of coefficients"),
        (lambda svm: svm.coefficients[0].alpha.append(1.0), "4 coefficients"),
        (lambda svm: svm.rho.append(1.0), "4 values of rho"),
        (lambda svm: svm.ClearField("probB"), "probB"),
        (lambda svm: svm.int64ClassLabels.vector.append(10), "share out"),
    ],
)
def test_bad_models_are_refused(change: Any, message: str) -> None:
    spec, inputs = svm_classifier()
    change(spec.supportVectorClassifier)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)
