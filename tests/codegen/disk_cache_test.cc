// The cache of compiled programs: what was stored is found, by nobody else's key; damage reads as
// absence; many writers leave one whole file.
#include "tenon/backends/codegen/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon_codegen {
namespace {

namespace fs = std::filesystem;

class DiskCacheTest : public testing::Test {
 protected:
  DiskCacheTest()
      : directory_(fs::path(testing::TempDir()) / ("cache_" + std::to_string(getpid()))),
        cache_((directory_ / "a" / "b").string()) {}
  ~DiskCacheTest() override { fs::remove_all(directory_); }

  size_t Files() const {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory_))
      count += entry.is_regular_file();
    return count;
  }

  const fs::path directory_;
  const DiskCache cache_;
};

TEST_F(DiskCacheTest, FindsWhatWasStored) {
  std::string code = "untouched";
  EXPECT_FALSE(cache_.Load("key", &code));
  EXPECT_EQ(code, "untouched");
  const std::string stored("with\0a NUL", 10);
  EXPECT_TRUE(cache_.Store("key", stored));
  EXPECT_TRUE(cache_.Store("other", "its own"));
  EXPECT_TRUE(cache_.Load("key", &code));
  EXPECT_EQ(code, stored);
  EXPECT_TRUE(cache_.Store("key", ""));
  EXPECT_TRUE(cache_.Load("key", &code));
  EXPECT_EQ(code, "");
  EXPECT_EQ(Files(), 2u) << "no file is left beside them";
  EXPECT_EQ(fs::status(directory_ / "a" / "b").permissions() & fs::perms::others_all,
            fs::perms::none);
}

TEST_F(DiskCacheTest, DamageReadsAsAbsence) {
  std::string code;
  const std::string path = cache_.PathOf("key");
  for (const int damage : {0, 1, 2, 3}) {
    ASSERT_TRUE(cache_.Store("key", "some code"));
    ASSERT_TRUE(cache_.Load("key", &code));
    const auto size = static_cast<std::streamoff>(fs::file_size(path));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    switch (damage) {
      case 0:  // the code
        file.seekp(size - 1);
        file.put('?');
        break;
      case 1:  // the key
        file.seekp(size - 10);
        file.put('?');
        break;
      case 2:  // its length
        file.seekp(8);
        file.put('?');
        break;
      default:  // the magic
        file.put('?');
    }
    file.close();
    EXPECT_FALSE(cache_.Load("key", &code)) << damage;
  }
  fs::resize_file(path, 3);
  EXPECT_FALSE(cache_.Load("key", &code));
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_FALSE(cache_.Load("key", &code));
  EXPECT_FALSE(cache_.Store("key", "code"));
}

TEST_F(DiskCacheTest, ProcessesThatStoreAtOnceLeaveOneWholeFile) {
  ASSERT_TRUE(cache_.Store("key", std::string(100000, 'x')));
  std::vector<pid_t> children;
  for (int writer = 0; writer < 4; ++writer) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    bool good = true;
    std::string code;
    for (int i = 0; i < 100; ++i) {
      const std::string mine(100000, static_cast<char>('a' + writer));
      good = cache_.Store("key", mine) && cache_.Load("key", &code) && code.size() == 100000 &&
             code.find_first_not_of(code[0]) == std::string::npos && good;
    }
    _exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(Files(), 1u);
}

TEST_F(DiskCacheTest, ADirectoryThatOthersMayWriteToIsNotTrusted) {
  std::string code;
  ASSERT_TRUE(cache_.Store("key", "code"));
  fs::permissions(directory_ / "a" / "b", fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(cache_.Load("key", &code));
  EXPECT_FALSE(cache_.Store("key", "code"));
}

TEST(DiskCacheDirectory, FromTheOptionElseTheUsersCache) {
  EXPECT_EQ(DiskCache::DirectoryFor("x", "/here"), "/here");
  EXPECT_EQ(DiskCache::DirectoryFor("x", "off"), "");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(DiskCache::DirectoryFor("x", nullptr), "/cache/tenon/x");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(DiskCache::DirectoryFor("x", ""), "/home/me/.cache/tenon/x");
  unsetenv("HOME");
  EXPECT_EQ(DiskCache::DirectoryFor("x", nullptr), "");
  std::string code;
  EXPECT_FALSE(DiskCache("").Load("key", &code));
  EXPECT_FALSE(DiskCache("").Store("key", "code"));
}

}  // namespace
}  // namespace tenon_codegen
