#include "tenon/nn/init.h"

#include <cmath>

namespace tenon::nn::init {
namespace {

struct Fans {
  double in, out;
};

Fans fans(std::string_view operation, const Tensor& t) {
  const DimsView shape = t.shape();
  if (shape.size() < 2) {
    fail(ErrorCode::kShape, operation, "a tensor of shape ", shape_text(shape),
         " has no fan in and fan out: two axes or more are needed; use uniform_ or normal_");
  }
  double rest = 1;
  for (size_t i = 2; i < shape.size(); ++i) rest *= static_cast<double>(shape[i]);
  return {static_cast<double>(shape[1]) * rest, static_cast<double>(shape[0]) * rest};
}

double kaiming_stddev(std::string_view operation, const Tensor& t, double gain) {
  return gain / std::sqrt(fans(operation, t).in);
}

double xavier_stddev(std::string_view operation, const Tensor& t, double gain) {
  const Fans f = fans(operation, t);
  return gain * std::sqrt(2 / (f.in + f.out));
}

// Uniform in +-bound has the standard deviation bound / sqrt(3).
void uniform_of_stddev(Tensor& t, double stddev, Generator& generator) {
  const double bound = std::sqrt(3.0) * stddev;
  uniform_(t, -bound, bound, generator);
}

}  // namespace

void uniform_(Tensor& t, double low, double high, Generator& generator) {
  const NoGradScope no_grad;
  t.copy_(uniform(t.shape(), low, high, t.dtype(), t.device(), generator));
}

void normal_(Tensor& t, double mean, double stddev, Generator& generator) {
  const NoGradScope no_grad;
  t.copy_(normal(t.shape(), mean, stddev, t.dtype(), t.device(), generator));
}

void constant_(Tensor& t, double value) {
  const NoGradScope no_grad;
  t.fill_(value);
}

void kaiming_uniform_(Tensor& t, double gain, Generator& generator) {
  uniform_of_stddev(t, kaiming_stddev("kaiming_uniform_", t, gain), generator);
}

void kaiming_normal_(Tensor& t, double gain, Generator& generator) {
  normal_(t, 0, kaiming_stddev("kaiming_normal_", t, gain), generator);
}

void xavier_uniform_(Tensor& t, double gain, Generator& generator) {
  uniform_of_stddev(t, xavier_stddev("xavier_uniform_", t, gain), generator);
}

void xavier_normal_(Tensor& t, double gain, Generator& generator) {
  normal_(t, 0, xavier_stddev("xavier_normal_", t, gain), generator);
}

}  // namespace tenon::nn::init
