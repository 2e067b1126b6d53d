// Progress: how far a long piece of work is, on one line of a terminal that is drawn again and
// again.
//
//   Progress progress("epoch 3/30", batches);
//   for (int64_t i = 0; i < batches; ++i) {
//     ...
//     if (progress.due()) progress.show(i + 1, "loss 0.213  48,200 images/s");
//   }
//   progress.finish("epoch 3/30   loss 0.213 ..");      // the bar goes, this line stays
//
//   epoch 3/30 [=============>                ] 45 %  loss 0.213  48,200 images/s
//
// Where stdout is no terminal there is no bar, due() is false, and finish() prints its line. So a
// program reads what it shows (a loss that lies on a device) only when due(): at most ten times a
// second, on a terminal.
#ifndef TENON_TOOLS_PROGRESS_H_
#define TENON_TOOLS_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace tenon::tools {

class Progress {
 public:
  Progress(std::string title, int64_t total);

  bool due() const { return terminal_ && Clock::now() >= next_; }
  void show(int64_t done, const std::string& text);
  void finish(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  std::string title_;
  int64_t total_;
  bool terminal_;
  Clock::time_point next_;
};

// The line itself, at most `width` columns: title, bar, per cent, text.
std::string progress_line(const std::string& title, int64_t done, int64_t total,
                          const std::string& text, int width);

// "48,200"
std::string grouped(int64_t number);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_PROGRESS_H_
