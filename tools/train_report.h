// What a training run leaves behind in its output directory.
//
//   weights.npz         the model's state dict, by name
//   metrics.csv         a row per epoch
//   training.svg        loss and accuracy over the epochs
//   wrong_guesses.svg   test pictures that the model takes for another class, the surest first
//
// Every file is there as a whole or not at all, also when the program is killed
// (interop/atomic_file.h).
#ifndef TENON_TOOLS_TRAIN_REPORT_H_
#define TENON_TOOLS_TRAIN_REPORT_H_

#include <string>
#include <vector>

#include "tenon/nn/state_dict.h"
#include "tenon/tensor/tensor.h"
#include "tools/dataset.h"
#include "tools/train_loop.h"

namespace tenon::tools {

void write_weights(const std::string& path, const nn::StateDict& weights);
void write_metrics(const std::string& path, const std::vector<EpochMetrics>& epochs);
void write_training_plot(const std::string& path, const std::string& title,
                         const std::vector<EpochMetrics>& epochs);

// `logits`: the model's answer for every test picture, [n, classes], on any device.
void write_wrong_guesses(const std::string& path, const Dataset& set, const Tensor& logits);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_TRAIN_REPORT_H_
