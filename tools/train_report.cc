#include "tools/train_report.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tenon/interop/atomic_file.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/npz.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/softmax.h"
#include "tools/progress.h"
#include "tools/svg_gallery.h"
#include "tools/svg_plot.h"

namespace tenon::tools {
namespace {

constexpr size_t kMostPictures = 48;

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", share * 100);
  return text;
}

}  // namespace

void write_weights(const std::string& path, const nn::StateDict& weights) {
  std::vector<interop::NpzEntry> entries;
  for (const auto& [name, tensor] : weights)
    entries.push_back({name, to_numpy(tensor, /*force=*/true)});
  interop::write_npz(path, entries);
}

void write_metrics(const std::string& path, const std::vector<EpochMetrics>& epochs) {
  std::string csv = "epoch,learning_rate,train_loss,test_loss,test_accuracy,seconds\n";
  for (const EpochMetrics& m : epochs) {
    csv += concat_text(m.epoch, ',', m.learning_rate, ',', m.train_loss, ',', m.test_loss, ',',
                       m.test_accuracy, ',', m.seconds, '\n');
  }
  interop::write_file("train", path, csv);
}

void write_training_plot(const std::string& path, const std::string& title,
                         const std::vector<EpochMetrics>& epochs) {
  Series train_loss{"training", {}, {}, 0}, test_loss{"test", {}, {}, 1};
  Series accuracy{"test", {}, {}, 1};
  for (const EpochMetrics& m : epochs) {
    const auto add = [&m](Series& series, double y) {
      series.x.push_back(static_cast<double>(m.epoch));
      series.y.push_back(y);
    };
    add(train_loss, m.train_loss), add(test_loss, m.test_loss);
    add(accuracy, 100 * m.test_accuracy);
  }
  const std::vector<Chart> charts = {
      {.title = "Loss", .x_label = "epoch", .log_scale = true, .series = {train_loss, test_loss}},
      {.title = "Accuracy", .x_label = "epoch", .unit = " %", .series = {accuracy}}};
  interop::write_file("train", path, plot_svg(title, charts));
}

void write_wrong_guesses(const std::string& path, const Dataset& set, const Tensor& logits) {
  const NoGradScope no_grad;
  const Tensor guesses = argmax(logits, 1).cpu();
  const Tensor sureness = max(softmax(logits, 1), Dims{1}).cpu();
  const auto* guess = guesses.data<int64_t>();
  const auto* sure = sureness.data<float>();
  const auto* label = set.y_test.data<int64_t>();
  const auto* pixels = set.x_test.data<float>();
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < guesses.size(); ++i) {
    if (guess[i] != label[i]) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [sure](int64_t a, int64_t b) { return sure[a] > sure[b]; });

  const std::string title = concat_text(
      grouped(static_cast<int64_t>(wrong.size())), " wrong guesses in ", grouped(guesses.size()),
      " test images", wrong.size() > kMostPictures ? ", the surest first" : "");
  wrong.resize(std::min(wrong.size(), kMostPictures));
  std::vector<Picture> pictures;
  for (int64_t i : wrong) {
    const float* first = pixels + i * set.features();
    pictures.push_back({.pixels = {first, first + set.features()},
                        .height = set.height,
                        .width = set.width,
                        .caption = concat_text("is ", label[i], ", guessed ", guess[i]),
                        .detail = percent(sure[i]) + " sure"});
  }
  interop::write_file("train", path, gallery_svg(title, pictures));
}

}  // namespace tenon::tools
