// train: teaches a small network to tell pictures apart, and leaves weights, numbers and pictures
// behind.
//
//   train                                             digits that the program draws itself
//   train --data optdigits.npz --model linear
//   train --mnist DIR --device cuda --epochs 10 --seed 1
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tenon/base/error.h"
#include "tools/command_line.h"
#include "tools/dataset.h"
#include "tools/progress.h"
#include "tools/train_loop.h"
#include "tools/train_report.h"

namespace tenon::tools {
namespace {

constexpr const char* kNotes =
    "Writes weights.npz, metrics.csv, training.svg and wrong_guesses.svg to --out. The same --seed "
    "gives the\n"
    "same weights, bit for bit, whatever TENON_NUM_THREADS is. Without --data and --mnist the "
    "program draws\n"
    "16,000 digits for training and 4,000 for testing.";

constexpr int64_t kFileEpochs = 30, kDrawnEpochs = 10;

template <class... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, arguments...);
  return text;
}

Dataset load(const std::string& data, const std::string& mnist, uint64_t seed) {
  if (!data.empty()) return dataset_from_npz(data);
  if (!mnist.empty()) return dataset_from_mnist(mnist);
  return drawn_dataset(seed);
}

// "mlp 64-128-64-10"
std::string model_text(const TrainingSettings& settings, const Training& training) {
  std::string text = settings.model;
  char before = ' ';
  for (int64_t size : training.layer_sizes()) text += before + std::to_string(size), before = '-';
  return text;
}

EpochMetrics run_epoch(Training& training, int64_t epoch, int64_t epochs) {
  const auto width = static_cast<int>(std::to_string(epochs).size());
  const std::string title =
      format("epoch %*d/%d", width, static_cast<int>(epoch), static_cast<int>(epochs));
  Progress progress(title, training.train_rows());
  const auto start = std::chrono::steady_clock::now();
  const auto rate = [start](int64_t rows) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return grouped(static_cast<int64_t>(static_cast<double>(rows) / taken.count())) + " images/s";
  };
  std::string speed;
  const EpochMetrics m = training.run_epoch([&](int64_t rows, const auto& loss) {
    if (rows == training.train_rows()) speed = rate(rows);
    if (progress.due()) progress.show(rows, format("loss %.4f  ", loss()) + rate(rows));
  });
  progress.finish(title +
                  format("  loss %.4f  test loss %.4f  test accuracy %6.2f %%  ", m.train_loss,
                         m.test_loss, 100 * m.test_accuracy) +
                  speed);
  return m;
}

void run(const TrainingSettings& settings, const std::string& data, const std::string& mnist,
         const std::string& out) {
  std::filesystem::create_directories(out);
  const Dataset set = load(data, mnist, settings.seed);
  std::printf("data: %s: %s training and %s test images of %s x %s, %s classes\n",
              set.source.c_str(), grouped(set.x_train.size(0)).c_str(),
              grouped(set.x_test.size(0)).c_str(), grouped(set.height).c_str(),
              grouped(set.width).c_str(), grouped(set.classes).c_str());
  if (!set.note.empty()) std::printf("note: %s\n", set.note.c_str());
  Training training(settings, set);
  const std::string model = model_text(settings, training);
  std::printf("model: %s, %s weights, on %s\n", model.c_str(),
              grouped(training.weight_count()).c_str(), training.device().text().c_str());
  std::fflush(stdout);

  std::vector<EpochMetrics> epochs;
  for (int64_t epoch = 1; epoch <= settings.epochs; ++epoch) {
    epochs.push_back(run_epoch(training, epoch, settings.epochs));
  }

  const std::string directory = out + "/";
  const double accuracy = 100 * epochs.back().test_accuracy;
  write_weights(directory + "weights.npz", training.weights());
  write_metrics(directory + "metrics.csv", epochs);
  write_training_plot(directory + "training.svg",
                      concat_text(model, " on ", set.source, format(": %.2f %%", accuracy)),
                      epochs);
  write_wrong_guesses(directory + "wrong_guesses.svg", set, training.test_logits());
  std::printf("wrote weights.npz, metrics.csv, training.svg and wrong_guesses.svg to %s\n",
              out.c_str());
  std::printf("test accuracy: %.2f %% (device %s, seed %llu, %.1f s)\n", accuracy,
              training.device().text().c_str(), static_cast<unsigned long long>(settings.seed),
              epochs.back().seconds);
}

int main_with(int argc, char** argv) {
  TrainingSettings settings;
  std::string data, mnist, out = "out/train";
  int64_t seed = 0;
  settings.epochs = 0;
  CommandLine line("train", "Teaches a small network to tell pictures apart.");
  line.option("--data", &data, "FILE.npz", "arrays x_train, y_train, x_test, y_test");
  line.option("--mnist", &mnist, "DIR", "MNIST's IDX files, plain or .gz");
  line.choice("--model", &settings.model, {"mlp", "linear"}, "what to train");
  line.option("--device", &settings.device, "NAME", "where: cpu, cuda, cuda:1, ..");
  line.option("--epochs", &settings.epochs, "N",
              "passes over the training data; 0: 30, of drawn digits 10", 0, 1000000);
  line.option("--batch", &settings.batch, "N", "images per step", 1);
  line.option("--lr", &settings.lr, "X", "learning rate at the start", 0);
  line.option("--weight-decay", &settings.weight_decay, "X", "as AdamW has it", 0);
  line.option("--seed", &seed, "N", "of weights, order and drawn digits", 0);
  line.option("--out", &out, "DIR", "where results go");
  line.note(kNotes);
  if (!line.parse(argc, argv)) return line.exit_status();
  settings.seed = static_cast<uint64_t>(seed);
  if (settings.epochs == 0) {
    settings.epochs = data.empty() && mnist.empty() ? kDrawnEpochs : kFileEpochs;
  }
  try {
    if (!data.empty() && !mnist.empty()) {
      fail(ErrorCode::kInvalidArgument, "", "--data and --mnist are both given; choose one");
    }
    run(settings, data, mnist, out);
  } catch (const std::exception& error) {  // Error, and std::filesystem's
    std::fflush(stdout);
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace tenon::tools

int main(int argc, char** argv) {
  // `bazel run` starts programs elsewhere; paths mean what they mean to the caller.
  if (const char* directory = std::getenv("BUILD_WORKING_DIRECTORY")) {
    if (chdir(directory) != 0) std::perror(directory);
  }
  return tenon::tools::main_with(argc, argv);
}
