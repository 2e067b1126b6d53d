#include "tenon/backends/codegen/disk_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

namespace tenon_codegen {
namespace {

// The file: this, the key, the code.
struct Header {
  char magic[8];
  uint64_t key_bytes, code_bytes, code_hash;
};
constexpr char kMagic[8] = {'T', 'N', 'K', 'E', 'R', 'N', '0', '1'};

uint64_t Fnv1a(std::string_view text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}
uint64_t HashOf(std::string_view text) { return Fnv1a(text, 0xcbf29ce484222325u); }

struct Close {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, Close>;

bool Write(const std::string& path, const Header& header, std::string_view key,
           std::string_view code) {
  FILE* const file = fopen(path.c_str(), "wbex");
  if (file == nullptr) return false;
  const bool written = fwrite(&header, sizeof header, 1, file) == 1 &&
                       fwrite(key.data(), 1, key.size(), file) == key.size() &&
                       fwrite(code.data(), 1, code.size(), file) == code.size();
  return fclose(file) == 0 && written;
}

}  // namespace

std::string DiskCache::DirectoryFor(const std::string& backend, const char* option) {
  if (option != nullptr && option[0] != '\0')
    return strcmp(option, "off") == 0 ? std::string() : std::string(option);
  const char* const cache = getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/tenon/" + backend;
  const char* const home = getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache/tenon/" + backend;
  return {};
}

std::string DiskCache::PathOf(std::string_view key) const {
  char name[48];
  snprintf(name, sizeof name, "/%016" PRIx64 "%016" PRIx64 ".bin", HashOf(key),
           Fnv1a(key, 0x9e3779b97f4a7c15u));
  return directory_ + name;
}

bool DiskCache::Trusted() const {
  struct stat status;
  return !directory_.empty() && stat(directory_.c_str(), &status) == 0 &&
         status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool DiskCache::Load(std::string_view key, std::string* code) const {
  if (!Trusted()) return false;
  const File file(fopen(PathOf(key).c_str(), "rbe"));
  Header header;
  if (file == nullptr || fread(&header, sizeof header, 1, file.get()) != 1 ||
      memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.key_bytes != key.size()) {
    return false;
  }
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(PathOf(key), error);
  if (error || size != sizeof header + header.key_bytes + header.code_bytes) return false;
  std::string read(header.key_bytes, '\0');
  if (fread(read.data(), 1, read.size(), file.get()) != read.size() || read != key) return false;
  read.resize(header.code_bytes);
  if (fread(read.data(), 1, read.size(), file.get()) != read.size() ||
      HashOf(read) != header.code_hash) {
    return false;
  }
  *code = std::move(read);
  return true;
}

bool DiskCache::Store(std::string_view key, std::string_view code) const {
  if (directory_.empty()) return false;
  std::error_code error;
  if (std::filesystem::create_directories(directory_, error))
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all, error);
  if (!Trusted()) return false;
  static std::atomic<unsigned> number{0};
  const std::string path = PathOf(key), beside = path + "." + std::to_string(getpid()) + "." +
                                                 std::to_string(number.fetch_add(1)) + ".tmp";
  Header header = {};
  memcpy(header.magic, kMagic, sizeof kMagic);
  header.key_bytes = key.size();
  header.code_bytes = code.size();
  header.code_hash = HashOf(code);
  const bool stored = Write(beside, header, key, code) && rename(beside.c_str(), path.c_str()) == 0;
  if (!stored) unlink(beside.c_str());
  return stored;
}

}  // namespace tenon_codegen
