// Training: a classifier, its data on one device, and the loop that teaches it.
//
//   Training training({.model = "mlp", .device = "cpu"}, set);
//   for (int64_t epoch = 1; epoch <= 30; ++epoch) {
//     EpochMetrics m = training.run_epoch();
//   }
//   training.weights();
//
// Loss: cross entropy. Rule: AdamW, whose learning rate falls from the given one to 0 along half a
// cosine over all steps (Loshchilov and Hutter 2017, "SGDR"). Weights start as He et al. 2015
// propose, biases at 0. Each epoch visits the training rows in a new random order.
//
// The same settings and data give the same weights, bit for bit, for any number of threads. The
// data lies on the device as one tensor and is put into order there, once per epoch; a step reads
// nothing back.
#ifndef TENON_TOOLS_TRAIN_LOOP_H_
#define TENON_TOOLS_TRAIN_LOOP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tenon/nn/optimizer.h"
#include "tenon/nn/sequential.h"
#include "tenon/nn/state_dict.h"
#include "tenon/ops/random.h"
#include "tenon/tensor/tensor.h"
#include "tools/dataset.h"

namespace tenon::tools {

struct TrainingSettings {
  std::string model = "mlp";  // or "linear"
  std::string device = "cpu";
  int64_t epochs = 30, batch = 64;
  double lr = 5e-3, weight_decay = 0.1;
  uint64_t seed = 0;
};

struct EpochMetrics {
  int64_t epoch;                 // from 1
  double learning_rate;          // of the last step
  double train_loss, test_loss;  // the former as measured while learning
  double test_accuracy;          // in [0, 1]
  double seconds;                // of training so far, without testing
};

class Training {
 public:
  Training(const TrainingSettings& settings, const Dataset& set);

  // Features, hidden units, .., classes: 64-128-64-10; 256 and 128 hidden units from 256 features
  // on; none if "linear".
  const std::vector<int64_t>& layer_sizes() const { return sizes_; }
  int64_t weight_count() const;
  Device device() const { return device_; }
  int64_t train_rows() const { return x_train_.size(0); }

  // One pass over the training data, then a test. After each step calls watch(rows done, loss),
  // where loss() reads the mean loss of this epoch so far from the device.
  using Watch = std::function<void(int64_t rows, const std::function<double()>& loss)>;
  EpochMetrics run_epoch(const Watch& watch = nullptr);

  // The model's answer for every test row, [n, classes].
  Tensor test_logits();
  nn::StateDict weights() const { return model_.state_dict(); }

 private:
  void set_learning_rate();

  const TrainingSettings settings_;
  const Device device_;
  const std::vector<int64_t> sizes_;
  Generator generator_;
  Tensor x_train_, y_train_, x_test_, y_test_;
  nn::Sequential model_;
  nn::AdamW optimizer_;
  int64_t epoch_ = 0, step_ = 0;
  double seconds_ = 0;
};

}  // namespace tenon::tools

#endif  // TENON_TOOLS_TRAIN_LOOP_H_
