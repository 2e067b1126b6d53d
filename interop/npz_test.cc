// Archives built byte by byte from the zip specification, with the quirks of NumPy's, and
// everything that is refused; and what write_npz makes.
#include "tenon/interop/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tenon/interop/crafted_files.h"

namespace tenon::interop {
namespace {

using crafted::bytes_of;
using crafted::content_of;
using crafted::error_of;
using crafted::Folder;
using crafted::npy;
using crafted::raw;
using crafted::zip;
using crafted::ZipMember;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kArray = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                               raw<float>({1, 2, 3, 4, 5, 6}));
const std::string kScalar =
    npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", raw<int64_t>({7}));

std::string refusal(const std::string& file, const NpzReadOptions& options = {}) {
  return error_of([&] {
    const NpzReader reader(bytes_of(file), options);
    for (const std::string& name : reader.names()) reader.read(name);
  });
}

TEST(NpzRead, StoredAndDeflated) {
  for (bool deflate : {false, true}) {
    for (bool zip64 : {false, true}) {
      const std::string file =
          zip({{.name = "a.npy", .content = kArray, .deflate = deflate, .numpy_zip64 = zip64},
               {.name = "dir/b", .content = kScalar, .deflate = deflate, .numpy_zip64 = zip64},
               {.name = "folder/", .content = ""}});
      const NpzReader reader(bytes_of(file));
      EXPECT_THAT(reader.names(), ElementsAre("a", "dir/b"));
      EXPECT_EQ(reader.header("a").shape, (Dims{2, 3}));
      EXPECT_EQ(reader.header("dir/b").dtype, DType::int64);
      EXPECT_EQ(reader.is_stored("a"), !deflate);
      EXPECT_THAT(reader.read("a").values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
      EXPECT_EQ(reader.read("a.npy").at<float>({1, 2}), 6);
      EXPECT_EQ(reader.read("dir/b").at<int64_t>({}), 7);
      EXPECT_TRUE(reader.contains("a") && reader.contains("a.npy") && !reader.contains("c"));
      EXPECT_THAT(error_of([&] { reader.read("c"); }),
                  HasSubstr("'c' is not a file in the archive, which has a, dir/b"));
    }
  }
}

TEST(NpzRead, EmptyArchive) {
  EXPECT_TRUE(NpzReader(bytes_of(zip({}))).names().empty());
  Folder folder;
  write_npz(folder.file("e.npz"), {});
  EXPECT_EQ(content_of(folder.file("e.npz")), zip({}));
  EXPECT_TRUE(read_npz(folder.file("e.npz")).empty());
}

TEST(NpzRead, Refusals) {
  EXPECT_THAT(refusal(""), HasSubstr("cannot be opened as a zip archive"));
  EXPECT_THAT(refusal(kArray), HasSubstr("cannot be opened as a zip archive"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray, .crc_difference = 1}})),
              HasSubstr("bad CRC-32"));
  EXPECT_THAT(
      refusal(zip({{.name = "a.npy", .content = kArray, .deflate = true, .crc_difference = 1}})),
      HasSubstr("member 'a': bad CRC-32"));
  EXPECT_THAT(
      refusal(zip({{.name = "a.npy", .content = kArray}, {.name = "a.npy", .content = kArray}})),
      HasSubstr("two members are called 'a'"));
  EXPECT_THAT(
      refusal(zip({{.name = "a.npy", .content = kArray}, {.name = "a", .content = kArray}})),
      HasSubstr("two members are called 'a'"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray, .method = 12}})),
              HasSubstr("packed by method 12"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray, .flags = 1}})),
              HasSubstr("is encrypted"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray, .declared_size = 1000}})),
              HasSubstr("declares 1000"));
  EXPECT_THAT(refusal(zip({{.name = "", .content = kArray}})), HasSubstr("has no name"));
  EXPECT_THAT(refusal(zip({{.name = "a.txt", .content = "words and words"}})),
              HasSubstr("magic string is not correct"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray + "x"}})),
              HasSubstr("shape [2, 3] of float32 takes 24 bytes, but the directory declares 25"));
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = kArray.substr(0, kArray.size() - 1)}})),
              HasSubstr("but the directory declares 23"));
  const std::string object =
      npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "pickle");
  EXPECT_THAT(refusal(zip({{.name = "a.npy", .content = object}})),
              HasSubstr("Object arrays cannot be loaded"));
}

TEST(NpzRead, DeflatedSizesThatLie) {
  const ZipMember honest{.name = "a.npy", .content = kArray, .deflate = true};
  for (int64_t lie : {int64_t{1}, static_cast<int64_t>(kArray.size()) - 1,
                      static_cast<int64_t>(kArray.size()) + 1}) {
    ZipMember m = honest;
    m.declared_size = lie;
    EXPECT_NE(refusal(zip({m})), "") << lie;
  }
  // 4 GiB announced by header and directory alike, in a hundred bytes of deflate.
  const std::string huge =
      npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4000000000,), }", "");
  ZipMember m{.name = "a.npy", .content = huge, .deflate = true};
  m.declared_size = static_cast<int64_t>(huge.size()) + 4000000000;
  EXPECT_THAT(refusal(zip({m})), HasSubstr("cut short or its header is wrong"));
}

TEST(NpzRead, BombsAreBounded) {
  const std::string zeros = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (16777216,), }",
                                std::string(1 << 24, '\0'));
  const std::string file = zip({{.name = "a.npy", .content = zeros, .deflate = true}});
  EXPECT_LT(file.size(), 20000u);
  EXPECT_THAT(refusal(file, {.max_bytes = 1 << 20}),
              HasSubstr("inflates to 16777216 bytes, more than the limit"));
  EXPECT_EQ(refusal(file), "");
}

// Cut at every byte and, separately, damaged at every byte: no crash, and no wrong value in
// silence.
TEST(NpzRead, CutShortOrDamagedAnywhere) {
  for (bool deflate : {false, true}) {
    const std::string file = zip({{.name = "a.npy", .content = kArray, .deflate = deflate}});
    for (size_t n = 0; n < file.size(); ++n) EXPECT_NE(refusal(file.substr(0, n)), "") << n;
    for (size_t n = 0; n < file.size(); ++n) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = file;
        damaged[n] = static_cast<char>(damaged[n] ^ (1 << bit));
        try {
          const NpzReader reader(bytes_of(damaged));
          for (const std::string& name : reader.names()) {
            EXPECT_THAT(reader.read(name).values<float>(), ElementsAre(1, 2, 3, 4, 5, 6)) << n;
          }
        } catch (const Error&) {
        }
      }
    }
  }
}

TEST(NpzMap, SharesStoredMembers) {
  Folder folder;
  const std::string path =
      folder.write("a.npz", zip({{.name = "x.npy", .content = kScalar},
                                 {.name = "a.npy", .content = kArray},
                                 {.name = "d.npy", .content = kArray, .deflate = true}}));
  NdArray a;
  {
    const NpzReader reader(path);
    a = reader.map("a");
    EXPECT_EQ(reader.map("x").at<int64_t>({}), 7);
    EXPECT_EQ(reader.map("a").data(), a.data());
    EXPECT_THAT(error_of([&] { reader.map("d"); }), HasSubstr("it is compressed; call read()"));
  }
  EXPECT_TRUE(a.read_only());
  EXPECT_EQ(a.at<float>({1, 2}), 6);
  const std::string file = content_of(path);
  EXPECT_THAT(error_of([&] { NpzReader(bytes_of(file)).map("a"); }),
              HasSubstr("only a file can be mapped"));
}

TEST(NpzMap, CopyOnWriteKeepsTheArchive) {
  Folder folder;
  const std::string path = folder.file("a.npz");
  write_npz(path, {{"a", NdArray::from_vector<float>({3}, {1, 2, 3})}});
  const std::string before = content_of(path);
  const NpzReader reader(path);
  const NdArray plain = reader.map("a");
  NdArray own = reader.map("a", MapMode::kCopyOnWrite);
  own.mutable_values<float>()[0] = 9;
  EXPECT_EQ(plain.at<float>({0}), 1);
  EXPECT_TRUE(plain.read_only() && reader.map("a").read_only());
  EXPECT_EQ(content_of(path), before);
  EXPECT_THAT(error_of([&] { reader.map("a", MapMode::kReadWrite); }),
              HasSubstr("would make its checksum wrong"));
}

TEST(NpzWrite, ComesBack) {
  Folder folder;
  const NdArray a = NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const NdArray t = NdArray::over({.data = const_cast<std::byte*>(a.data()),
                                   .owner = a.owner(),
                                   .dtype = DType::float32,
                                   .shape = {3, 2},
                                   .byte_strides = {4, 12}});
  const NdArray strided = NdArray::over({.data = const_cast<std::byte*>(a.data()) + 20,
                                         .owner = a.owner(),
                                         .dtype = DType::float32,
                                         .shape = {3},
                                         .byte_strides = {-8}});
  for (bool compressed : {false, true}) {
    write_npz(folder.file("a.npz"),
              {{"a", a},
               {"block.0/weight.npy", t},
               {"e", NdArray::zeros(DType::int8, {0, 3})},
               {"größe", strided}},
              {.compressed = compressed});
    const std::vector<NpzEntry> back = read_npz(folder.file("a.npz"));
    ASSERT_EQ(back.size(), 4u);
    EXPECT_EQ(back[0].name, "a");
    EXPECT_THAT(back[0].array.values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(back[1].name, "block.0/weight");
    EXPECT_EQ(back[1].array.shape(), (Dims{3, 2}));
    EXPECT_EQ(back[1].array.at<float>({0, 1}), 4);
    EXPECT_EQ(back[2].array.shape(), (Dims{0, 3}));
    EXPECT_EQ(back[3].name, "größe");
    EXPECT_THAT(back[3].array.values<float>(), ElementsAre(6, 4, 2));
  }
}

TEST(NpzWrite, StoredMembersAreAlignedForMapping) {
  Folder folder;
  std::vector<NpzEntry> arrays;
  for (int i = 0; i < 70; ++i) {
    const NdArray a =
        NdArray::from_vector<int32_t>({i}, std::vector<int32_t>(static_cast<size_t>(i), i));
    arrays.push_back({std::string(static_cast<size_t>(i) + 1, 'n'), a});
  }
  write_npz(folder.file("a.npz"), arrays);
  const NpzReader reader(folder.file("a.npz"));
  const std::string file = content_of(folder.file("a.npz"));
  for (const NpzEntry& e : arrays) {
    const NdArray a = reader.map(e.name);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u) << e.name;
    ASSERT_EQ(a.size(), e.array.size());
    for (int64_t i = 0; i < a.size(); ++i) EXPECT_EQ(a.at<int32_t>({i}), a.size());
    EXPECT_EQ(reader.read(e.name).size(), e.array.size());
  }
}

TEST(NpzWrite, TellsHowFarItIs) {
  Folder folder;
  const NdArray a = NdArray::zeros(DType::uint8, {5 << 20});
  for (bool compressed : {false, true}) {
    std::vector<uint64_t> told;
    write_npz(folder.file("a.npz"), {{"a", a}, {"b", a}},
              {.compressed = compressed, .on_progress = [&](uint64_t n) { told.push_back(n); }});
    EXPECT_GE(told.size(), 2u);
    EXPECT_LE(told.back(), uint64_t{10} << 20);
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_GE(told.back(), (uint64_t{10} << 20) * 99 / 100);
  }
}

TEST(NpzWrite, EqualArraysGiveEqualBytes) {
  Folder folder;
  const std::vector<NpzEntry> arrays = {{"a", NdArray::zeros(DType::float64, {100})}};
  for (bool compressed : {false, true}) {
    setenv("TZ", "UTC", 1);
    write_npz(folder.file("a.npz"), arrays, {.compressed = compressed});
    setenv("TZ", "Asia/Tokyo", 1);
    usleep(10000);
    write_npz(folder.file("b.npz"), arrays, {.compressed = compressed});
    EXPECT_EQ(content_of(folder.file("a.npz")), content_of(folder.file("b.npz")));
  }
}

TEST(NpzWrite, Refusals) {
  Folder folder;
  const std::string path = folder.write("a.npz", "old");
  const NdArray a = NdArray::zeros(DType::float32, {1});
  auto message = [&](const std::vector<NpzEntry>& arrays) {
    return error_of([&] { write_npz(path, arrays); });
  };
  EXPECT_THAT(message({{"a", a}, {"a", a}}), HasSubstr("two arrays are called 'a'"));
  EXPECT_THAT(message({{"a", a}, {"a.npy", a}}), HasSubstr("two arrays are called 'a.npy'"));
  EXPECT_THAT(message({{"", a}}), HasSubstr("has no name"));
  EXPECT_THAT(message({{std::string("a\0b", 3), a}}), HasSubstr("has no name that zip can hold"));
  EXPECT_THAT(message({{"\xff\xfe", a}}), HasSubstr("cannot add"));
  EXPECT_THAT(message({{"a", NdArray()}}), HasSubstr("no array to write"));
  EXPECT_THAT(message({{"a", NdArray::zeros(DType::bfloat16, {1})}}),
              HasSubstr("NumPy files cannot hold bfloat16"));
  EXPECT_EQ(content_of(path), "old");
  write_npz(path, {{"a", NdArray::zeros(DType::bfloat16, {1})}, {"f", a}}, {.view_as = "u2"});
  EXPECT_EQ(NpzReader(path).header("a").dtype, DType::uint16);
  EXPECT_EQ(NpzReader(path).header("f").dtype, DType::float32);
}

TEST(NpzWrite, BitsOfBothWidthsInOneFile) {
  Folder folder;
  const std::string path = folder.file("a.npz");
  const DType types[] = {DType::bfloat16, DType::float8_e4m3fn, DType::float8_e5m2, DType::float32};
  std::vector<NpzEntry> arrays;
  for (const DType d : types) {
    NdArray a = NdArray::zeros(d, {3, 2});
    for (int64_t b = 0; b < a.nbytes(); ++b) a.mutable_data()[b] = std::byte(17 * b + 3);
    arrays.push_back({std::string(dtype_name(d)), a});
  }
  for (const std::string view_as : {"u1", "u2"}) {
    EXPECT_THAT(error_of([&] { write_npz(path, arrays, {.view_as = view_as}); }),
                HasSubstr("and 'bits'"));
  }
  write_npz(path, arrays, {.view_as = "bits"});
  const std::vector<NpzEntry> back = read_npz(path);
  ASSERT_EQ(back.size(), arrays.size());
  const DType bits[] = {DType::uint16, DType::uint8, DType::uint8, DType::float32};
  for (size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].name, arrays[i].name);
    EXPECT_EQ(back[i].array.dtype(), bits[i]);
    EXPECT_EQ(std::memcmp(back[i].array.data(), arrays[i].array.data(),
                          static_cast<size_t>(arrays[i].array.nbytes())),
              0);
  }
}

}  // namespace
}  // namespace tenon::interop
