#include <algorithm>
#include <cmath>

#include "tenon/autograd/autograd.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/reduce.h"

namespace tenon {
namespace {

using Checked = absl::FunctionRef<Tensor(std::span<const Tensor>)>;

std::vector<double> values(const Tensor& t) {
  NoGradScope constant;
  const Tensor host = t.detach().cpu().contiguous();
  return std::vector<double>(host.data<double>(), host.data<double>() + host.size());
}

Tensor with_values(const std::vector<double>& v, const Tensor& like) {
  return tensor<double>(std::span<const double>(v), like.shape()).to(like.device());
}

// Weights that are neither equal nor simple, so that errors do not cancel.
// `number`: another direction for every input, else errors of two inputs can cancel.
Tensor direction(const Tensor& like, size_t number = 0) {
  std::vector<double> w(static_cast<size_t>(like.size()));
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = std::cos(1.0 + 2.7 * static_cast<double>(i) + 0.9 * static_cast<double>(number)) + 0.3;
  return with_values(w, like);
}

// A function of the inputs to one number, and its gradient.
double weighted(Checked f, const std::vector<Tensor>& inputs, const Tensor& weights) {
  NoGradScope constant;
  return sum(multiply(f(inputs), weights)).item();
}

std::string compare(Checked f, std::span<const Tensor> inputs, const Tensor& weights,
                    const std::vector<Tensor>& analytic, const GradcheckOptions& o,
                    const char* order) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double> at = values(inputs[i]);
    const std::vector<double> got =
        analytic[i].defined() ? values(analytic[i]) : std::vector<double>(at.size(), 0.0);
    std::vector<Tensor> moved(inputs.begin(), inputs.end());
    for (size_t k = 0; k < at.size(); ++k) {
      double side[2];
      for (int s = 0; s < 2; ++s) {
        std::vector<double> v = at;
        v[k] += s ? -o.step : o.step;
        // A leaf again: a second-order function differentiates inside.
        moved[i] = with_values(v, inputs[i]).requires_grad_();
        side[s] = weighted(f, moved, weights);
      }
      const double numeric = (side[0] - side[1]) / (2 * o.step);
      const double bound = o.absolute + o.relative * std::max(std::abs(numeric), std::abs(got[k]));
      if (!(std::abs(numeric - got[k]) <= bound)) {
        return concat_text(order, " derivative for input ", static_cast<int64_t>(i), " (",
                           describe(inputs[i]), "), element ", static_cast<int64_t>(k), " at ",
                           at[k], ": numerical ", numeric, ", analytical ", got[k]);
      }
    }
  }
  return {};
}

}  // namespace

std::string gradcheck(Checked function, std::span<const Tensor> inputs, GradcheckOptions options) {
  for (const Tensor& x : inputs) {
    if (!x.defined() || x.dtype() != DType::float64 || !x.requires_grad() || !x.is_leaf()) {
      fail(ErrorCode::kInvalidArgument, "gradcheck",
           "inputs are float64 leaves that require a gradient, not ", describe(x));
    }
  }
  EnableGradScope record;
  const GradOptions first{.allow_unused = true};
  Tensor out = function(inputs);
  if (!out.requires_grad()) return "the output does not require a gradient";
  const Tensor weights = direction(out);
  const Tensor roots[] = {out}, seeds[] = {weights};
  std::string error =
      compare(function, inputs, weights, grad(roots, inputs, seeds, first), options, "first");
  if (!error.empty() || !options.second_order) return error;

  // The gradient as a function of the inputs, along a fixed direction, checked as a function of its
  // own.
  std::vector<Tensor> directions;
  for (const Tensor& x : inputs) directions.push_back(direction(x, directions.size() + 1));
  const auto slope = [&](std::span<const Tensor> x) {
    EnableGradScope inner;
    const Tensor inner_roots[] = {function(x)};
    const std::vector<Tensor> g =
        grad(inner_roots, x, seeds, {.create_graph = true, .allow_unused = true});
    Tensor total = zeros({}, DType::float64, x[0].device());
    for (size_t i = 0; i < g.size(); ++i) {
      if (g[i].defined()) total = add(total, sum(multiply(g[i], directions[i])));
    }
    return total;
  };
  const Tensor total = slope(inputs);
  if (!total.requires_grad())
    return {};  // linear: the second derivative is zero, and nothing claims otherwise
  const Tensor slope_roots[] = {total}, one[] = {ones({}, DType::float64, total.device())};
  return compare(slope, inputs, one[0], grad(slope_roots, inputs, one, first), options, "second");
}

}  // namespace tenon
