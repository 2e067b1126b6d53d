// Dataset: labelled pictures (or any rows of numbers) for training and for testing, as tensors.
//
//   Dataset set = dataset_from_npz("optdigits.npz");
//   set.x_train      // float32 [3823, 64] on the cpu, in [0, 1]
//   set.y_train      // int64 [3823], 0 .. classes - 1
//
// Values are divided by the greatest magnitude in the training data, so that pictures of 0 .. 255
// or 0 .. 16 become [0, 1]. Errors are tenon::Error and name the file: shapes that do not fit,
// labels that are no integers or below 0, labels in the test data that training never shows, values
// that are not finite.
#ifndef TENON_TOOLS_DATASET_H_
#define TENON_TOOLS_DATASET_H_

#include <cstdint>
#include <string>

#include "tenon/tensor/tensor.h"

namespace tenon::tools {

struct Dataset {
  std::string source;  // for people: "optdigits.npz"
  std::string note;    // what they should know about it, if anything
  Tensor x_train, y_train, x_test, y_test;
  int64_t height = 0, width = 0;  // of a picture; 1 x features for plain rows
  int64_t classes = 0;

  int64_t features() const { return height * width; }
};

// Arrays x_train, y_train, x_test, y_test; x: [n, height, width] or [n, features], y: [n] or [n,
// 1].
Dataset dataset_from_npz(const std::string& path);

// MNIST's four files, plain or ending in .gz. Without the two training files the test files are
// split by a fixed rule: every fifth picture is for testing, the others for training; `note` then
// says so.
Dataset dataset_from_mnist(const std::string& directory);

// Digits that the program draws itself (drawn_digits.h).
Dataset drawn_dataset(uint64_t seed, int64_t n_train = 16000, int64_t n_test = 4000);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_DATASET_H_
