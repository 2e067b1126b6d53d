// IDX files written by hand from the format's description, plain and gzipped.
#include "tenon/interop/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/interop/crafted_files.h"

namespace tenon::interop {
namespace {

using crafted::big_endian;
using crafted::bytes_of;
using crafted::error_of;
using crafted::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string idx(int type, const std::vector<uint32_t>& shape, const std::string& data) {
  std::string out = {'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (uint32_t n : shape) out += big_endian(n, 4);
  return out + data;
}
NdArray parse(const std::string& file, const IdxReadOptions& options = {}) {
  return read_idx(bytes_of(file), options);
}
std::string refusal(const std::string& file, const IdxReadOptions& options = {}) {
  return error_of([&] { parse(file, options); });
}

TEST(Idx, EveryType) {
  EXPECT_THAT(parse(idx(0x08, {2, 2}, "\x01\x02\x03\xff")).values<uint8_t>(),
              ElementsAre(1, 2, 3, 255));
  EXPECT_THAT(parse(idx(0x09, {1}, "\xff")).values<int8_t>(), ElementsAre(-1));
  EXPECT_THAT(
      parse(idx(0x0B, {2}, big_endian(0x0102, 2) + big_endian(0xffff, 2))).values<int16_t>(),
      ElementsAre(0x0102, -1));
  EXPECT_THAT(parse(idx(0x0C, {1}, big_endian(0x01020304, 4))).values<int32_t>(),
              ElementsAre(0x01020304));
  EXPECT_THAT(parse(idx(0x0D, {1}, big_endian(0xc0000000, 4))).values<float>(), ElementsAre(-2));
  EXPECT_THAT(parse(idx(0x0E, {1}, big_endian(0xc000000000000000, 8))).values<double>(),
              ElementsAre(-2));
  EXPECT_EQ(parse(idx(0x08, {}, "a")).shape(), (Dims{}));
  EXPECT_EQ(parse(idx(0x08, {0, 28, 28}, "")).shape(), (Dims{0, 28, 28}));
}

TEST(Idx, GzipByContent) {
  Folder folder;
  const std::string plain = idx(0x08, {3}, "abc");
  for (const std::string& path :
       {folder.write("a.gz", crafted::gzip(plain)), folder.write("b", plain),
        folder.write("c", crafted::gzip(plain)), folder.write("d.gz", plain)}) {
    EXPECT_THAT(read_idx(path).values<uint8_t>(), ElementsAre('a', 'b', 'c'));
  }
}

TEST(Idx, BeyondZlibsBuffer) {
  std::string data(300000, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * i >> 5);
  const NdArray a = parse(crafted::gzip(idx(0x08, {300, 1000}, data)));
  EXPECT_EQ(std::memcmp(a.data(), data.data(), data.size()), 0);
}

TEST(Idx, Refusals) {
  EXPECT_THAT(refusal(""), HasSubstr("IDX magic number"));
  EXPECT_THAT(refusal("\x93NUMPY..."), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal(idx(0x0A, {1}, "a")), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal(idx(0x08, {2}, "abc")), HasSubstr("more bytes after"));
  EXPECT_THAT(refusal(idx(0x08, {4}, "abc")), HasSubstr("expected 4 bytes got 3"));
  EXPECT_THAT(refusal(idx(0x0E, {0xffffffff, 0xffffffff}, "")), HasSubstr("array is too big"));
  EXPECT_THAT(refusal(idx(0x08, {0xffffffff, 0x7fffffff}, "")), HasSubstr("cut short"));
  EXPECT_THAT(refusal(idx(0x08, std::vector<uint32_t>(65, 1), "a")),
              HasSubstr("more than 64 dimensions"));
  Folder folder;
  EXPECT_THAT(error_of([&] { read_idx(folder.file("none")); }), HasSubstr("No such file"));
}

TEST(Idx, DamagedGzip) {
  const std::string plain = idx(0x08, {2000}, std::string(2000, 'a'));
  const std::string file = crafted::gzip(plain);
  for (size_t n = 2; n < file.size(); ++n) EXPECT_NE(refusal(file.substr(0, n)), "") << n;
  std::string wrong_crc = file, wrong_length = file;
  wrong_crc[file.size() - 8] ^= 1;
  wrong_length[file.size() - 4] ^= 1;
  EXPECT_THAT(refusal(wrong_crc), HasSubstr("incorrect data check"));
  EXPECT_THAT(refusal(wrong_length), HasSubstr("incorrect length check"));
  EXPECT_THAT(refusal(file + "x"), HasSubstr("more bytes after the gzip stream"));
}

TEST(Idx, SmallFilesCannotAskForMuchMemory) {
  // 60 bytes of gzip hold no 4 GiB: refused by arithmetic, before anything is allocated.
  EXPECT_THAT(refusal(crafted::gzip(idx(0x08, {0xffffffff}, "abc"))),
              HasSubstr("cut short or its header is wrong"));
  const std::string bomb = crafted::gzip(idx(0x08, {1 << 24}, std::string(1 << 24, '\0')));
  EXPECT_LT(bomb.size(), 20000u);
  EXPECT_THAT(refusal(bomb, {.max_bytes = 1 << 20}),
              HasSubstr("more than the limit of 1048576 bytes"));
  EXPECT_EQ(parse(bomb).size(), 1 << 24);
}

TEST(Idx, CutShortAnywhere) {
  const std::string file = idx(0x0D, {2, 2}, std::string(16, 'x'));
  for (size_t n = 0; n < file.size(); ++n) EXPECT_NE(refusal(file.substr(0, n)), "") << n;
}

}  // namespace
}  // namespace tenon::interop
