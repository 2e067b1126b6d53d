// The old file or the new one, at any moment and after any failure.
#include "tenon/interop/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/npz.h"

namespace tenon::interop {
namespace {

using crafted::content_of;
using crafted::error_of;
using crafted::Folder;
using ::testing::HasSubstr;

int files_in(const std::string& folder) {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(AtomicFile, NothingIsSeenBeforeCommit) {
  Folder folder;
  folder.write("a", "old");
  {
    AtomicFile file("test", folder.file("a"));
    file.write("new");
    EXPECT_EQ(content_of(folder.file("a")), "old");
    file.write_at(1, std::as_bytes(std::span("EW", 2)));
    file.write("!");
    file.commit();
    EXPECT_EQ(content_of(folder.file("a")), "nEW!");
    EXPECT_THAT(error_of([&] { file.commit(); }), HasSubstr("committed already"));
  }
  EXPECT_EQ(content_of(folder.file("a")), "nEW!");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  Folder folder;
  folder.write("a", "old");
  { AtomicFile("test", folder.file("a")).write("new"); }
  { AtomicFile("test", folder.file("b")).write("new"); }
  EXPECT_EQ(content_of(folder.file("a")), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(AtomicFile, KeepsPermissionsAndFollowsLinks) {
  Folder folder;
  chmod(folder.write("a", "old").c_str(), 0640);
  std::filesystem::create_symlink("a", folder.file("link"));
  write_file("test", folder.file("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("link")));
  EXPECT_EQ(content_of(folder.file("a")), "new");
  struct stat status;
  ASSERT_EQ(stat(folder.file("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, Refusals) {
  Folder folder;
  EXPECT_THAT(error_of([&] { AtomicFile("save", folder.path()); }), HasSubstr("it is a directory"));
  EXPECT_THAT(error_of([&] { AtomicFile("save", "/dev/null"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([&] { AtomicFile("save", folder.file("no/such/a")); }),
              HasSubstr("save: cannot write '" + folder.file("no/such/a") +
                        "' (create a file beside it): No such"));
}

// A disk that is full in the middle of the file (here: a limit on the file's size).
TEST(AtomicFile, FullDiskLeavesTheOldFile) {
  Folder folder;
  const std::string path = folder.write("w.npz", "old");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 100000;
  auto* handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string npz = error_of([&] {
    write_npz(path, {{"a", NdArray::zeros(DType::int8, {200000})}});
  });
  const std::string npy = error_of([&] { write_npy(path, NdArray::zeros(DType::int8, {200000})); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(npz, HasSubstr("File too large; what was there before is unchanged"));
  EXPECT_THAT(npy, HasSubstr("File too large; what was there before is unchanged"));
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

// A process that writes weights again and again is killed at random moments: the file is always
// whole, one generation or the next.
TEST(AtomicFile, KilledAtAnyMoment) {
  Folder folder;
  const std::string path = folder.file("weights.npz");
  auto weights = [](int32_t generation) {
    const NdArray a =
        NdArray::from_vector<int32_t>({50000}, std::vector<int32_t>(50000, generation));
    return std::vector<NpzEntry>{{"a", a}, {"b", a}};
  };
  // The time of a few writes, on this machine under its load.
  const auto start = std::chrono::steady_clock::now();
  write_npz(path, weights(0));
  const auto window =
      static_cast<useconds_t>(4 * std::chrono::duration_cast<std::chrono::microseconds>(
                                      std::chrono::steady_clock::now() - start)
                                      .count() +
                              1000);
  std::mt19937 random(7);
  int32_t newest = 0;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int32_t generation = newest + 1;; ++generation) write_npz(path, weights(generation));
    }
    usleep(static_cast<useconds_t>(random() % window));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::vector<NpzEntry> back = read_npz(path);
    ASSERT_EQ(back.size(), 2u);
    const int32_t generation = back[0].array.at<int32_t>({0});
    EXPECT_GE(generation, newest);
    for (const NpzEntry& entry : back) {
      for (int32_t v : entry.array.values<int32_t>()) ASSERT_EQ(v, generation);
    }
    newest = generation;
  }
  EXPECT_GT(newest, 0);  // the child did write
}

}  // namespace
}  // namespace tenon::interop
