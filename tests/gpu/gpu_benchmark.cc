// Figures of one device: gpu_benchmark DEVICE [SECONDS PER CASE [PART OF A NAME]]. One line a case:
//
//   name <tab> microseconds a call <tab> bytes that must move once <tab> floating-point operations
//
// Work is enqueued back to back and waited for at the end, so that a small call shows the host's
// time and a large one the device's. compare.py measures the same names with PyTorch and CuPy.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "tenon/nn/activation.h"
#include "tenon/nn/linear.h"
#include "tenon/nn/optimizer.h"
#include "tenon/nn/sequential.h"
#include "tenon/tenon.h"

namespace tenon {
namespace {

double seconds_per_case = 0.3;
std::string wanted;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Report {
 public:
  explicit Report(Device device) : device_(device) {}

  void time(const std::string& name, double bytes, double operations,
            const std::function<void()>& call) {
    if (name.find(wanted) == std::string::npos) return;
    try {
      measure(name, bytes, operations, call);
    } catch (const std::exception& error) {
      std::printf("%s\tfailed\t0\t0\t%s\n", name.c_str(), error.what());
      failed = true;
    }
    std::fflush(stdout);
  }

  bool failed = false;

 private:
  void measure(const std::string& name, double bytes, double operations,
               const std::function<void()>& call) {
    for (int i = 0; i < 3; ++i) call();
    synchronize(device_);
    // The best of five: others may use the machine.
    double best = 1e30;
    int64_t calls = 1;
    for (int round = 0; round < 5;) {
      const double start = now();
      for (int64_t i = 0; i < calls; ++i) call();
      synchronize(device_);
      const double taken = now() - start;
      if (taken < seconds_per_case / 5 && calls < 1'000'000) {
        calls *= 2;
        continue;
      }
      best = std::min(best, taken / static_cast<double>(calls));
      ++round;
    }
    std::printf("%s\t%.4g\t%.6g\t%.6g\n", name.c_str(), best * 1e6, bytes, operations);
  }

  Device device_;
};

void elementwise(Report& report, Device device) {
  static const Fused chain = fuse("chain", 2, 1, [](const map::Value* x, map::Value* y) {
    map::Value v = x[0] * x[1];
    v = v + x[0];
    v = v * x[1];
    v = v - x[0];
    v = v * x[1];
    v = v + x[0];
    v = v * x[1];
    y[0] = v + x[0];
  });
  for (const int64_t n : {1'000, 100'000, 10'000'000, 64 << 20}) {
    const Tensor x = uniform({n}, 0.5, 2.0, DType::float32, device),
                 y = uniform({n}, 0.5, 2.0, DType::float32, device);
    const double bytes = 4.0 * static_cast<double>(n);
    const std::string size = "/" + std::to_string(n);
    report.time("copy" + size, 2 * bytes, 0, [&] { (void)x.clone(); });
    report.time("add" + size, 3 * bytes, 0, [&] { (void)add(x, y); });
    report.time("add_number" + size, 2 * bytes, 0, [&] { (void)add(x, 2); });
    report.time("exp" + size, 2 * bytes, 0, [&] { (void)exp(x); });
    report.time("gelu" + size, 2 * bytes, 0, [&] { (void)gelu(x); });
    report.time("chain_of_8" + size, 3 * bytes, 0, [&] { (void)chain({x, y}); });
    report.time("sum" + size, bytes, 0, [&] { (void)sum(x); });
  }
}

void rows(Report& report, Device device) {
  const Tensor x = uniform({8192, 4096}, -1, 1, DType::float32, device);
  const Tensor b = uniform({4096}, -1, 1, DType::float32, device);
  const double bytes = 4.0 * 8192 * 4096;
  const int64_t last[] = {1}, first[] = {0};
  report.time("sum_rows/8192x4096", bytes, 0, [&] { (void)sum(x, last); });
  report.time("sum_columns/8192x4096", bytes, 0, [&] { (void)sum(x, first); });
  const int64_t width = 4096;
  const Tensor targets = randint({8192}, 0, width, DType::int64, device);
  const Tensor square = uniform({1024, 1024}, -1, 1, DType::float32, device);
  const double small = 4.0 * 1024 * 1024;
  const auto norm = [&] { return layer_norm(x, DimsView(&width, 1), b, b); };
  report.time("softmax/1024x1024", 2 * small, 0, [&] { (void)softmax(square); });
  report.time("softmax/8192x4096", 2 * bytes, 0, [&] { (void)softmax(x); });
  report.time("softmax_columns/8192x4096", 2 * bytes, 0, [&] { (void)softmax(x, 0); });
  report.time("layer_norm/8192x4096", 2 * bytes, 0, [&] { (void)norm(); });
  report.time("cross_entropy/8192x4096", bytes, 0, [&] { (void)cross_entropy(x, targets); });
  report.time("add_row/8192x4096", 2 * bytes, 0, [&] { (void)add(x, b); });
  report.time("transpose_copy/8192x4096", 2 * bytes, 0, [&] { (void)x.transpose().contiguous(); });
}

// AdamW reads four arrays and writes three.
void optimizers(Report& report, Device device) {
  for (const auto& [count, size] : {std::pair<int64_t, int64_t>{10, 1'000'000}, {100, 1'000}}) {
    std::vector<Tensor> parameters;
    for (int64_t i = 0; i < count; ++i) {
      parameters.push_back(uniform({size}, -1, 1, DType::float32, device).requires_grad_());
      parameters.back().set_grad(uniform({size}, -1, 1, DType::float32, device));
    }
    nn::AdamW optimizer(parameters);
    report.time("adamw/" + std::to_string(count) + "x" + std::to_string(size),
                7 * 4.0 * static_cast<double>(count * size), 0, [&] { optimizer.step(); });
  }
}

void matmuls(Report& report, Device device) {
  for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16, DType::float64}) {
    for (const int64_t n : {256, 1024, 4096, 8192}) {
      if (n == 8192 && dtype == DType::float64) continue;
      const Tensor a = normal({n, n}, 0, 1, DType::float32, device).to(dtype),
                   b = normal({n, n}, 0, 1, DType::float32, device).to(dtype);
      const auto cube = static_cast<double>(n * n * n);
      report.time("matmul_" + std::string(dtype_name(dtype)) + "/" + std::to_string(n), 0, 2 * cube,
                  [&] { (void)matmul(a, b); });
    }
  }
}

void copies(Report& report, Device device) {
  const int64_t n = 64 << 20;
  const Tensor host = ones({n}), there = host.to(device);
  report.time("to_device/256MiB", 4.0 * static_cast<double>(n), 0, [&] { (void)host.to(device); });
  report.time("to_host/256MiB", 4.0 * static_cast<double>(n), 0, [&] { (void)there.cpu(); });
}

void steps(Report& report, Device device) {
  nn::Sequential model(nn::Linear(784, 256), nn::Relu(), nn::Linear(256, 128), nn::Relu(),
                       nn::Linear(128, 10));
  model.to(device);
  const Tensor x = uniform({64, 784}, 0, 1, DType::float32, device),
               y = randint({64}, 0, 10, DType::int64, device);
  nn::Sgd sgd(model.parameters());
  nn::AdamW adamw(model.parameters());
  const auto step = [&](nn::Optimizer& optimizer) {
    optimizer.zero_grad();
    cross_entropy(model(x), y).backward();
    optimizer.step();
  };
  report.time("mlp_step_sgd/64x784-256-128-10", 0, 0, [&] { step(sgd); });
  report.time("mlp_step_adamw/64x784-256-128-10", 0, 0, [&] { step(adamw); });
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: gpu_benchmark DEVICE [SECONDS PER CASE [PART OF A NAME]]\n");
    return 2;
  }
  if (argc > 2) seconds_per_case = std::atof(argv[2]);
  if (argc > 3) wanted = argv[3];
  const Device device(argv[1]);
  Report report(device);
  const struct {
    const char* cases;
    void (*run)(Report&, Device);
  } groups[] = {{"copy add add_number exp gelu chain_of_8 sum", elementwise},
                {"sum_rows sum_columns softmax softmax_columns layer_norm cross_entropy add_row "
                 "transpose_copy",
                 rows},
                {"adamw", optimizers},
                {"matmul_float32 matmul_bfloat16 matmul_float16 matmul_float64", matmuls},
                {"to_device to_host", copies},
                {"mlp_step_sgd mlp_step_adamw", steps}};
  for (const auto& group : groups) {
    if (std::string(group.cases).find(wanted) != std::string::npos) group.run(report, device);
  }
  return report.failed ? 1 : 0;
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  try {
    return tenon::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_benchmark: %s\n", error.what());
    return 1;
  }
}
