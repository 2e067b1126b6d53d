#include "tools/dataset.h"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "tenon/interop/doors.h"
#include "tenon/interop/idx.h"
#include "tenon/interop/npz.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/reduce.h"
#include "tools/drawn_digits.h"

namespace tenon::tools {
namespace {

struct Labelled {
  Tensor x, y;
};

// Every kSplit-th picture of a set that must serve for both is for testing.
constexpr int64_t kSplit = 5;

Tensor rows_of_floats(const std::string& source, const char* name, const Tensor& x) {
  if (x.ndim() < 2 || x.ndim() > 3 || x.size() == 0 || is_complex(x.dtype())) {
    fail(ErrorCode::kShape, "dataset", source, ": ", name, " is ", dtype_name(x.dtype()),
         shape_text(x.shape()),
         "; it must be numbers of shape [n, height, width] or [n, features]");
  }
  Tensor rows = x.to(DType::float32).reshape({x.size(0), x.size() / x.size(0)});
  if (!all(isfinite(rows)).item<bool>()) {
    fail(ErrorCode::kInvalidArgument, "dataset", source, ": ", name,
         " has values that are not finite; clean them first");
  }
  return rows;
}

Tensor labels_of(const std::string& source, const char* name, const Tensor& y, int64_t rows) {
  if (!is_integral(y.dtype()) || y.size() != rows || y.ndim() == 0 || y.size(0) != rows) {
    fail(ErrorCode::kShape, "dataset", source, ": ", name, " is ", dtype_name(y.dtype()),
         shape_text(y.shape()), "; it must be one integer for each of the ", rows, " rows");
  }
  Tensor labels = y.to(DType::int64).reshape({rows});
  if (min(labels).item<int64_t>() < 0) {
    fail(ErrorCode::kInvalidArgument, "dataset", source, ": ", name,
         " has labels below 0; number the classes 0, 1, ..");
  }
  return labels;
}

Dataset assemble(std::string source, const Labelled& train, const Labelled& test) {
  Dataset set;
  set.x_train = rows_of_floats(source, "x_train", train.x);
  set.x_test = rows_of_floats(source, "x_test", test.x);
  if (set.x_train.size(1) != set.x_test.size(1)) {
    fail(ErrorCode::kShape, "dataset", source, ": x_train has ", set.x_train.size(1),
         " values a row and x_test ", set.x_test.size(1), "; they must have the same");
  }
  set.y_train = labels_of(source, "y_train", train.y, set.x_train.size(0));
  set.y_test = labels_of(source, "y_test", test.y, set.x_test.size(0));
  set.classes = max(set.y_train).item<int64_t>() + 1;
  if (const int64_t highest = max(set.y_test).item<int64_t>(); highest >= set.classes) {
    fail(ErrorCode::kInvalidArgument, "dataset", source, ": y_test has label ", highest,
         ", but labels in y_train end at ", set.classes - 1);
  }
  const bool pictures = train.x.ndim() == 3;
  set.height = pictures ? train.x.size(1) : 1;
  set.width = pictures ? train.x.size(2) : train.x.size(1);
  if (const double scale = max(abs(set.x_train)).item(); scale > 0) {
    set.x_train = set.x_train / scale;
    set.x_test = set.x_test / scale;
  }
  set.source = std::move(source);
  return set;
}

// "train-images-idx3-ubyte" in `directory`, also with a dot before idx and with .gz behind.
std::optional<std::string> find_idx(const std::string& directory, const std::string& name) {
  std::string dotted = name;
  dotted[dotted.find("-idx")] = '.';
  for (const std::string& stem : {name, dotted}) {
    for (const char* ending : {"", ".gz"}) {
      const std::string path = (std::filesystem::path(directory) / (stem + ending)).string();
      if (std::filesystem::exists(path)) return path;
    }
  }
  return std::nullopt;
}

std::optional<Labelled> read_mnist(const std::string& directory, const std::string& part) {
  const auto images = find_idx(directory, part + "-images-idx3-ubyte");
  const auto labels = find_idx(directory, part + "-labels-idx1-ubyte");
  if (!images || !labels) return std::nullopt;
  return Labelled{as_tensor(interop::read_idx(*images)), as_tensor(interop::read_idx(*labels))};
}

Labelled rows_at(const Labelled& all_rows, const std::vector<int64_t>& rows) {
  const Dims shape{static_cast<int64_t>(rows.size())};
  const Tensor at = tensor(std::span<const int64_t>(rows), shape);
  return {take(all_rows.x, at), take(all_rows.y, at)};
}

}  // namespace

Dataset dataset_from_npz(const std::string& path) {
  const interop::NpzReader file(path);
  const auto read = [&file](const char* name) { return as_tensor(file.read(name)); };
  return assemble(std::filesystem::path(path).filename().string(),
                  {read("x_train"), read("y_train")}, {read("x_test"), read("y_test")});
}

Dataset dataset_from_mnist(const std::string& directory) {
  const auto test = read_mnist(directory, "t10k");
  if (!test) {
    fail(ErrorCode::kIo, "dataset",
         "there is no t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte in ", directory,
         ", plain or .gz; name the directory that has MNIST's files");
  }
  if (const auto train = read_mnist(directory, "train")) {
    return assemble("MNIST", *train, *test);
  }
  std::vector<int64_t> for_training, for_testing;
  for (int64_t i = 0; i < test->x.size(0); ++i) {
    (i % kSplit == kSplit - 1 ? for_testing : for_training).push_back(i);
  }
  Dataset set = assemble("MNIST", rows_at(*test, for_training), rows_at(*test, for_testing));
  set.note = concat_text("there are no training files in ", directory, ": every ", kSplit,
                         "th of the test images is for testing, the others for training");
  return set;
}

Dataset drawn_dataset(uint64_t seed, int64_t n_train, int64_t n_test) {
  const auto part = [seed](int64_t first, int64_t count) {
    const DrawnDigits drawn = draw_digits(seed, first, count);
    return Labelled{as_tensor(drawn.images), as_tensor(drawn.labels)};
  };
  return assemble("drawn digits", part(0, n_train), part(n_train, n_test));
}

}  // namespace tenon::tools
