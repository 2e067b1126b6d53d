#include "tools/train_loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "tenon/nn/activation.h"
#include "tenon/nn/init.h"
#include "tenon/nn/linear.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/softmax.h"
#include "tenon/ops/views.h"

namespace tenon::tools {
namespace {

constexpr int64_t kTestRows = 1000;  // at once

std::vector<int64_t> sizes_of(const TrainingSettings& settings, const Dataset& set) {
  if (settings.model == "linear") return {set.features(), set.classes};
  if (set.features() < 256) return {set.features(), 128, 64, set.classes};
  return {set.features(), 256, 128, set.classes};
}

nn::Sequential make_model(const std::vector<int64_t>& sizes, Generator& generator, Device device) {
  nn::Sequential model;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) model.add(nn::Relu());
    nn::Linear layer(sizes[i], sizes[i + 1], /*with_bias=*/true, generator);
    nn::init::kaiming_uniform_(layer.weight, nn::init::kReluGain, generator);
    nn::init::zeros_(layer.bias);
    model.add(std::move(layer));
  }
  model.to(device);
  return model;
}

}  // namespace

Training::Training(const TrainingSettings& settings, const Dataset& set)
    : settings_(settings),
      device_(settings.device),
      sizes_(sizes_of(settings, set)),
      generator_(settings.seed),
      x_train_(set.x_train.to(device_)),
      y_train_(set.y_train.to(device_)),
      x_test_(set.x_test.to(device_)),
      y_test_(set.y_test.to(device_)),
      model_(make_model(sizes_, generator_, device_)),
      optimizer_(model_.parameters(), {.lr = settings.lr, .weight_decay = settings.weight_decay}) {}

int64_t Training::weight_count() const {
  int64_t count = 0;
  for (const Tensor& parameter : model_.parameters()) count += parameter.size();
  return count;
}

void Training::set_learning_rate() {
  const int64_t steps_per_epoch = (train_rows() + settings_.batch - 1) / settings_.batch;
  const double done =
      static_cast<double>(step_++) / static_cast<double>(settings_.epochs * steps_per_epoch);
  optimizer_.set_lr(settings_.lr * (1 + std::cos(std::numbers::pi * std::min(done, 1.0))) / 2);
}

EpochMetrics Training::run_epoch(const Watch& watch) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t rows = train_rows();
  const Tensor order = randperm(rows, device_, generator_);
  const Tensor x = take(x_train_, order), y = take(y_train_, order);
  Tensor total_loss = zeros({}, DType::float32, device_);
  for (int64_t first = 0; first < rows; first += settings_.batch) {
    const int64_t last = std::min(rows, first + settings_.batch);
    const Tensor loss = cross_entropy(model_(slice(x, 0, first, last)), slice(y, 0, first, last));
    optimizer_.zero_grad();
    loss.backward();
    set_learning_rate();
    optimizer_.step();
    total_loss += loss.detach() * (last - first);
    if (watch) watch(last, [&] { return total_loss.item() / static_cast<double>(last); });
  }
  EpochMetrics metrics{.epoch = ++epoch_,
                       .learning_rate = optimizer_.lr(),
                       .train_loss = total_loss.item() / static_cast<double>(rows)};
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const NoGradScope no_grad;
  const Tensor logits = test_logits();
  const auto right = sum(argmax(logits, 1) == y_test_).item<int64_t>();
  metrics.test_loss = cross_entropy(logits, y_test_).item();
  metrics.test_accuracy = static_cast<double>(right) / static_cast<double>(y_test_.size());
  metrics.seconds = seconds_;
  return metrics;
}

Tensor Training::test_logits() {
  const NoGradScope no_grad;
  model_.eval();
  std::vector<Tensor> pieces;
  for (int64_t first = 0; first < x_test_.size(0); first += kTestRows) {
    pieces.push_back(model_(slice(x_test_, 0, first, first + kTestRows)));
  }
  model_.train();
  return concat(pieces);
}

}  // namespace tenon::tools
