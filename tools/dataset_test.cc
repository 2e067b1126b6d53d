// Proves scaling, splitting and checking of data sets, and that drawn digits are the same on every
// machine.
#include "tools/dataset.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "tenon/interop/atomic_file.h"
#include "tenon/interop/npz.h"
#include "tools/drawn_digits.h"

namespace tenon::tools {
namespace {

using interop::NdArray;

template <class T>
std::vector<T> values(const Tensor& t) {
  const T* first = t.data<T>();
  return {first, first + t.size()};
}

std::string path_of(const std::string& name) { return testing::TempDir() + "/" + name; }

template <class T>
NdArray array(const Dims& shape, std::vector<T> v) {
  return NdArray::from_vector<T>(shape, std::move(v));
}

// Three training and two test pictures of 1 x 2; `change` may spoil them.
using Arrays = std::vector<interop::NpzEntry>;
std::string write(const std::function<void(Arrays&)>& change) {
  Arrays arrays = {{"x_train", array<uint8_t>({3, 1, 2}, {0, 16, 8, 4, 2, 0})},
                   {"y_train", array<int64_t>({3}, {0, 1, 2})},
                   {"x_test", array<uint8_t>({2, 1, 2}, {4, 16, 0, 20})},
                   {"y_test", array<int64_t>({2}, {1, 0})}};
  change(arrays);
  std::string path = path_of("set.npz");
  interop::write_npz(path, arrays);
  return path;
}

TEST(DatasetTest, NpzIsScaledByTheTrainingDatasGreatestValue) {
  const Dataset set = dataset_from_npz(write([](Arrays&) {}));
  EXPECT_EQ(set.source, "set.npz");
  EXPECT_EQ(set.height, 1);
  EXPECT_EQ(set.width, 2);
  EXPECT_EQ(set.classes, 3);
  EXPECT_EQ(values<float>(set.x_train), (std::vector<float>{0, 1, 0.5, 0.25, 0.125, 0}));
  EXPECT_EQ(values<float>(set.x_test), (std::vector<float>{0.25, 1, 0, 1.25}));
  EXPECT_EQ(values<int64_t>(set.y_train), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(values<int64_t>(set.y_test), (std::vector<int64_t>{1, 0}));
}

TEST(DatasetTest, OtherDtypesAndShapesAreTaken) {
  const Dataset set = dataset_from_npz(write([](Arrays& a) {
    a[0].array = array<double>({3, 2}, {-2, 1, 0, 0, 1, 0.5});
    a[1].array = array<uint8_t>({3, 1}, {0, 1, 2});
    a[2].array = array<float>({2, 2}, {1, 1, 1, 1});
    a[3].array = array<int32_t>({2}, {2, 2});
  }));
  EXPECT_EQ(values<float>(set.x_train), (std::vector<float>{-1, 0.5, 0, 0, 0.5, 0.25}));
  EXPECT_EQ(values<int64_t>(set.y_train), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(set.height, 1);
  EXPECT_EQ(set.width, 2);
  // Nothing but zeros: nothing to divide by.
  const Dataset dark = dataset_from_npz(write([](Arrays& a) {
    a[0].array = array<uint8_t>({3, 1, 2}, {0, 0, 0, 0, 0, 0});
  }));
  EXPECT_EQ(values<float>(dark.x_test)[3], 20);
}

void expect_error(const std::function<void(Arrays&)>& change, const std::string& part) {
  try {
    dataset_from_npz(write(change));
    ADD_FAILURE() << "no error; expected: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(DatasetTest, WhatDoesNotFitIsNamed) {
  expect_error([](Arrays& a) { a.pop_back(); }, "y_test");
  expect_error(
      [](Arrays& a) {
        a[0].array = array<uint8_t>({6}, {1, 2, 3, 4, 5, 6});
      },
      "set.npz: x_train is uint8[6]; it must be numbers of shape [n, height, width] or [n, "
      "features]");
  expect_error([](Arrays& a) { a[0].array = array<uint8_t>({0, 2}, {}); }, "x_train");
  expect_error(
      [](Arrays& a) {
        a[2].array = array<uint8_t>({2, 1}, {1, 2});
      },
      "x_train has 2 values a row and x_test 1");
  expect_error(
      [](Arrays& a) {
        a[1].array = array<int64_t>({2}, {0, 1});
      },
      "y_train is int64[2]; it must be one integer for each of the 3 rows");
  expect_error(
      [](Arrays& a) {
        a[1].array = array<float>({3}, {0, 1, 2});
      },
      "y_train is float32[3]");
  expect_error(
      [](Arrays& a) {
        a[1].array = array<int64_t>({3}, {0, -1, 2});
      },
      "y_train has labels below 0");
  expect_error(
      [](Arrays& a) {
        a[3].array = array<int64_t>({2}, {0, 3});
      },
      "y_test has label 3, but labels in y_train end at 2");
  expect_error(
      [](Arrays& a) {
        a[2].array = array<float>({2, 2}, {1, 1, 1, std::numeric_limits<float>::infinity()});
      },
      "x_test has values that are not finite");
}

// An IDX file of bytes.
void write_idx(const std::string& path, const std::vector<uint32_t>& shape,
               const std::string& bytes) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (uint32_t size : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(size >> shift);
  }
  interop::write_file("test", path, file + bytes);
}

TEST(DatasetTest, MnistIsReadOrSplit) {
  const std::string directory = path_of("mnist");
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  EXPECT_THROW(dataset_from_mnist(directory), Error);

  // Seven pictures of 1 x 2; picture i holds i and 255.
  std::string images, labels;
  for (char i = 0; i < 7; ++i) images += {i, '\xff'}, labels += static_cast<char>(i % 3);
  write_idx(directory + "/t10k-images-idx3-ubyte", {7, 1, 2}, images);
  write_idx(directory + "/t10k-labels.idx1-ubyte", {7}, labels);
  const Dataset split = dataset_from_mnist(directory);
  EXPECT_NE(split.note.find("every 5th of the test images is for testing"), std::string::npos)
      << split.note;
  EXPECT_EQ(values<int64_t>(split.y_train), (std::vector<int64_t>{0, 1, 2, 0, 2, 0}));
  EXPECT_EQ(values<int64_t>(split.y_test), std::vector<int64_t>{1});
  EXPECT_EQ(values<float>(split.x_test), (std::vector<float>{4 / 255.0f, 1}));

  write_idx(directory + "/train-images-idx3-ubyte", {3, 1, 2}, std::string("\0\1\2\3\4\5", 6));
  write_idx(directory + "/train-labels-idx1-ubyte", {3}, std::string("\2\1\0", 3));
  const Dataset whole = dataset_from_mnist(directory);
  EXPECT_EQ(whole.note, "");
  EXPECT_EQ(whole.x_train.size(0), 3);
  EXPECT_EQ(whole.x_test.size(0), 7);
}

TEST(DrawnDigitsTest, ImageDependsOnSeedAndNumberAlone) {
  const DrawnDigits many = draw_digits(5, 0, 50), few = draw_digits(5, 30, 3),
                    other = draw_digits(6, 30, 3);
  const auto pixels = many.images.values<uint8_t>().subspan(30 * kDrawnSide * kDrawnSide,
                                                            3 * kDrawnSide * kDrawnSide);
  const auto same = few.images.values<uint8_t>(), different = other.images.values<uint8_t>();
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), same.begin(), same.end()));
  EXPECT_FALSE(std::equal(pixels.begin(), pixels.end(), different.begin(), different.end()));
  EXPECT_EQ(few.labels.at<int64_t>({1}), many.labels.at<int64_t>({31}));
}

TEST(DrawnDigitsTest, AreTheSameOnEveryMachine) {
  // FNV-1a of the first hundred pictures and labels: what this test saw when the pictures were
  // designed.
  const DrawnDigits set = draw_digits(0, 0, 100);
  uint64_t hash = 0xcbf29ce484222325;
  for (uint8_t v : set.images.values<uint8_t>()) hash = (hash ^ v) * 0x100000001b3;
  for (int64_t v : set.labels.values<int64_t>())
    hash = (hash ^ static_cast<uint64_t>(v)) * 0x100000001b3;
  EXPECT_EQ(hash, 10460790938345006051u);
}

TEST(DrawnDigitsTest, ClassesAreEvenAndTheSetIsSplit) {
  const Dataset set = drawn_dataset(0, 2000, 500);
  EXPECT_EQ(set.classes, 10);
  EXPECT_EQ(set.features(), kDrawnSide * kDrawnSide);
  std::vector<int> counts(10);
  for (int64_t label : values<int64_t>(set.y_train)) ++counts[static_cast<size_t>(label)];
  for (int n : counts) EXPECT_NEAR(n, 200, 5 * 13.4);  // five standard deviations
  // Test pictures are no training pictures.
  const std::vector<float> train = values<float>(set.x_train), test = values<float>(set.x_test);
  const auto f = static_cast<size_t>(set.features());
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_FALSE(std::equal(test.begin() + static_cast<std::ptrdiff_t>(i * f),
                            test.begin() + static_cast<std::ptrdiff_t>((i + 1) * f),
                            train.begin() + static_cast<std::ptrdiff_t>(i * f)));
  }
}

}  // namespace
}  // namespace tenon::tools
