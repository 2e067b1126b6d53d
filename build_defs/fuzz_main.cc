// The driver of a tenon_fuzz_test where libFuzzer is not at hand: replays the corpus, then mutates
// its inputs pseudo-randomly for a while. No coverage feedback, so a seed corpus that reaches the
// interesting branches matters; with clang, --config=fuzz makes the same target a real libFuzzer
// program.
//
//   program [--seconds=N] [--seed=N] [FILE | DIRECTORY]...
//
// TENON_FUZZ_SECONDS in the environment overrides --seconds. The input that crashed is kept in
// $TEST_UNDECLARED_OUTPUTS_DIR (else the working directory) as crash-input; give it as FILE to
// replay it.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<uint8_t>;

constexpr size_t kMaxSize = 1 << 16;

// What the handlers below need; plain memory, since a handler may allocate nothing.
const uint8_t* g_data = nullptr;
size_t g_size = 0;
char g_crash_file[4096] = "crash-input";

void SaveInput() {
  const int fd = open(g_crash_file, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd < 0) return;
  if (write(fd, g_data, g_size) == static_cast<ssize_t>(g_size)) {
    constexpr char kText[] = "\nfuzz: the input that crashed is in ";
    if (write(2, kText, sizeof(kText) - 1) > 0 &&
        write(2, g_crash_file, strlen(g_crash_file)) > 0) {
      (void)!write(2, "\n", 1);
    }
  }
  close(fd);
}

void OnSignal(int signal_number) {
  SaveInput();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void Run(const Input& input) {
  // An exact-size copy, so that a sanitizer sees the first byte read past the end.
  std::vector<uint8_t> exact(input);
  exact.shrink_to_fit();
  g_data = exact.data();
  g_size = exact.size();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Input ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// One random edit. The list is what breaks parsers of binary formats: cut files, extreme lengths,
// bytes moved between fields, one file's tail behind another's head.
void Mutate(Input* input, const Input& other, std::mt19937_64* random) {
  auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>((*random)() % n); };
  static constexpr uint8_t kBytes[] = {0,   1,   9,   10,  ' ', '(',  ')',  ',',
                                       '-', '0', '9', '{', '}', 0x7f, 0x80, 0xff};
  const size_t at = below(input->size());
  switch (below(9)) {
    case 0:  // cut
      input->resize(at);
      break;
    case 1:  // flip a bit
      if (!input->empty()) (*input)[at] ^= static_cast<uint8_t>(1u << below(8));
      break;
    case 2:  // an interesting byte
      if (!input->empty()) (*input)[at] = kBytes[below(sizeof(kBytes))];
      break;
    case 3: {  // an extreme little-endian integer of 2, 4 or 8 bytes
      static constexpr uint64_t kValues[] = {0,          1,          0x7fff,     0xffff,
                                             0x7fffffff, 0xffffffff, 1ull << 62, ~0ull};
      const uint64_t value = kValues[below(8)];
      const size_t width = size_t{2} << below(3);
      for (size_t i = 0; i < width && at + i < input->size(); ++i) {
        (*input)[at + i] = static_cast<uint8_t>(value >> (8 * i));
      }
      break;
    }
    case 4:  // insert
      input->insert(input->begin() + static_cast<ptrdiff_t>(at), 1 + below(8),
                    kBytes[below(sizeof(kBytes))]);
      break;
    case 5: {  // erase
      const size_t n = std::min(input->size() - at, 1 + below(16));
      const auto first = input->begin() + static_cast<ptrdiff_t>(at);
      input->erase(first, first + static_cast<ptrdiff_t>(n));
      break;
    }
    case 6: {  // repeat a piece
      const size_t n = std::min(input->size() - at, 1 + below(32));
      const Input piece(input->begin() + static_cast<ptrdiff_t>(at),
                        input->begin() + static_cast<ptrdiff_t>(at + n));
      input->insert(input->begin() + static_cast<ptrdiff_t>(below(input->size() + 1)),
                    piece.begin(), piece.end());
      break;
    }
    case 7:  // another's tail
      input->resize(at);
      if (!other.empty()) {
        input->insert(input->end(), other.begin() + static_cast<ptrdiff_t>(below(other.size())),
                      other.end());
      }
      break;
    default:  // a random byte
      if (!input->empty()) (*input)[at] = static_cast<uint8_t>(below(256));
  }
  if (input->size() > kMaxSize) input->resize(kMaxSize);
}

void PrepareForCrash() {
  if (const char* directory = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR")) {
    std::snprintf(g_crash_file, sizeof(g_crash_file), "%s/crash-input", directory);
  }
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(SaveInput);
    std::signal(SIGABRT, OnSignal);
  } else {
    for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(s, OnSignal);
  }
}

bool Option(const char* argument, const char* name, uint64_t* value) {
  const size_t n = std::strlen(name);
  if (std::strncmp(argument, name, n) != 0) return false;
  *value = std::strtoull(argument + n, nullptr, 10);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seconds = 10, seed = 1;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (Option(argv[i], "--seconds=", &seconds) || Option(argv[i], "--seed=", &seed)) continue;
    if (!std::filesystem::exists(argv[i])) {
      std::fprintf(stderr, "fuzz: %s: no such file, directory or option\n", argv[i]);
      return 2;
    }
    if (!std::filesystem::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      seconds = 0;  // a file by name: replay only
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  if (const char* s = std::getenv("TENON_FUZZ_SECONDS")) seconds = std::strtoull(s, nullptr, 10);
  PrepareForCrash();

  std::sort(files.begin(), files.end());  // the same order everywhere
  std::vector<Input> corpus = {Input()};
  for (const auto& file : files) corpus.push_back(ReadFile(file));
  for (const Input& input : corpus) Run(input);
  std::printf("fuzz: %zu corpus files replayed\n", files.size());

  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  std::mt19937_64 random(seed);
  uint64_t runs = 0;
  while (seconds > 0 && Clock::now() < end) {
    Input input = corpus[random() % corpus.size()];
    for (uint64_t edits = 1 + random() % 6; edits > 0; --edits) {
      Mutate(&input, corpus[random() % corpus.size()], &random);
    }
    Run(input);
    ++runs;
  }
  std::printf("fuzz: %llu mutated inputs in %llu s, seed %llu, no crash\n",
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seconds),
              static_cast<unsigned long long>(seed));
  return 0;
}
