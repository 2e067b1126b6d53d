// What .npy files are read as, what is refused, and that what is written is what NumPy writes.
#include "tenon/interop/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/interop/crafted_files.h"

namespace tenon::interop {
namespace {

using crafted::bytes_of;
using crafted::content_of;
using crafted::error_of;
using crafted::Folder;
using crafted::npy;
using crafted::raw;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kFloats23 = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
const std::string kSix = raw<float>({1, 2, 3, 4, 5, 6});

NdArray parse(const std::string& file, const NpyReadOptions& options = {}) {
  return read_npy(bytes_of(file), options);
}
std::string refusal(const std::string& file, const NpyReadOptions& options = {}) {
  return error_of([&] { parse(file, options); });
}
std::string header(const std::string& descr, const std::string& shape,
                   const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

// np.save(np.arange(6, dtype='f4').reshape(2, 3)), NumPy 2.4.6, byte for byte.
TEST(NpyWrite, IsWhatNumPyWrites) {
  std::string expected = std::string("\x93NUMPY\1\0\x76\0", 10) + kFloats23;
  expected += std::string(127 - expected.size(), ' ') + '\n' + kSix;
  Folder folder;
  write_npy(folder.file("a.npy"), NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(content_of(folder.file("a.npy")), expected);
}

TEST(NpyWrite, DataStartsAtAMultipleOf64) {
  for (int rank = 0; rank <= 64; ++rank) {
    NpyHeader h;
    h.dtype = DType::float32;
    h.shape = Dims(rank, 1);
    EXPECT_EQ(npy_header_text(h).size() % 64, 0u) << rank;
    EXPECT_EQ(npy_header_text(h).back(), '\n');
  }
}

TEST(NpyWrite, EveryDtypeComesBack) {
  Folder folder;
  for (int i = 1; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    NdArray a = NdArray::zeros(d, {3, 2});
    for (int64_t b = 0; b < a.nbytes(); ++b)
      a.mutable_data()[b] = std::byte(d == DType::bool_ ? b % 2 : 17 * b + 3);
    const bool foreign = d == DType::bfloat16 || is_float8(d);
    const DType bits = item_size(d) == 1 ? DType::uint8 : DType::uint16;
    if (foreign) {
      const std::string view_as = bits == DType::uint8 ? "u1" : "u2";
      EXPECT_THAT(error_of([&] { write_npy(folder.file("a.npy"), a); }),
                  HasSubstr("view_as = \"bits\""));
      EXPECT_THAT(error_of([&] {
                    write_npy(folder.file("a.npy"), a, {.view_as = view_as == "u1" ? "u2" : "u1"});
                  }),
                  HasSubstr("'u1' for elements of 1 byte"));
      write_npy(folder.file("a.npy"), a, {.view_as = i % 2 ? view_as : "bits"});
    } else if (i % 2) {
      write_npy(folder.file("a.npy"), a, {.view_as = "bits"});  // keeps its dtype
    } else {
      write_npy(folder.file("a.npy"), a);
    }
    for (const NdArray& b : {read_npy(folder.file("a.npy")), map_npy(folder.file("a.npy"))}) {
      EXPECT_EQ(b.dtype(), foreign ? bits : d);
      EXPECT_EQ(b.shape(), a.shape());
      ASSERT_EQ(b.nbytes(), a.nbytes());
      EXPECT_EQ(std::memcmp(b.data(), a.data(), static_cast<size_t>(a.nbytes())), 0)
          << dtype_name(d);
    }
  }
}

TEST(NpyWrite, KeepsFortranOrderAndCompactsEverythingElse) {
  Folder folder;
  const NdArray a = NdArray::from_vector<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  const NdArray transposed = NdArray::over({.data = const_cast<std::byte*>(a.data()),
                                            .owner = a.owner(),
                                            .dtype = DType::int32,
                                            .shape = {3, 2},
                                            .byte_strides = {4, 12}});
  write_npy(folder.file("t.npy"), transposed);
  EXPECT_THAT(content_of(folder.file("t.npy")),
              HasSubstr("'fortran_order': True, 'shape': (3, 2), }"));
  const NdArray back = read_npy(folder.file("t.npy"));
  EXPECT_EQ(back.byte_strides(), (Dims{4, 12}));
  EXPECT_EQ(back.at<int32_t>({2, 1}), 6);

  const NdArray reversed = NdArray::over({.data = const_cast<std::byte*>(a.data()) + 20,
                                          .owner = a.owner(),
                                          .dtype = DType::int32,
                                          .shape = {2, 3},
                                          .byte_strides = {-12, -4}});
  write_npy(folder.file("r.npy"), reversed);
  EXPECT_THAT(read_npy(folder.file("r.npy")).values<int32_t>(), ElementsAre(6, 5, 4, 3, 2, 1));
}

TEST(NpyRead, ManySpellingsOfOneHeader) {
  for (const std::string& h : std::vector<std::string>{
           kFloats23,
           "{'shape':(2,3),'fortran_order':False,'descr':'<f4'}",  // order, no blanks
           "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 3)}   \n",  // other
                                                                                      // quotes
           "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3), }\n\n",          // native
           "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3,), }",
           "{'descr': 'float32', 'fortran_order': False, 'shape': (2, 3), }",
           "{'descr': 'f', 'fortran_order': False, 'shape': (2, 3), }",
           "{\n 'descr' : '<f4' ,\n 'fortran_order' : False,\n 'shape' : ( 2 , 3 )\n}",  // line
                                                                                         // breaks
           "{'descr': '<f4', 'fortran_order': False, 'shape': (0x2, 3), }",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",  // Python 2
           "{u'descr': u'<f4', 'fortran_order': False, 'shape': (2, 3), }"}) {
    const NdArray a = parse(npy(h, kSix));
    EXPECT_EQ(a.dtype(), DType::float32);
    EXPECT_EQ(a.shape(), (Dims{2, 3}));
    EXPECT_THAT(a.values<float>(), ElementsAre(1, 2, 3, 4, 5, 6)) << h;
  }
  EXPECT_EQ(parse(npy(kFloats23, kSix, 2)).at<float>({1, 2}), 6);
  EXPECT_EQ(parse(npy(kFloats23, kSix, 3)).at<float>({1, 2}), 6);
  EXPECT_THAT(refusal(npy(header("'<f4'", "(2L, 3L)"), kSix, 3)), HasSubstr("shape is not valid"));
}

TEST(NpyRead, BigEndian) {
  const std::string data = std::string("\x3f\x80\0\0\xc0\0\0\0", 8);  // 1, -2
  EXPECT_THAT(parse(npy(header("'>f4'", "(2,)"), data)).values<float>(), ElementsAre(1, -2));
  const NdArray c = parse(npy(header("'>c8'", "()"), data));
  EXPECT_EQ(c.at<Complex64>({}).real, 1);
  EXPECT_EQ(c.at<Complex64>({}).imag, -2);
  Folder folder;
  const NdArray mapped = map_npy(folder.write("b.npy", npy(header("'>f4'", "(2,)"), data)));
  EXPECT_TRUE(mapped.byte_swapped());
  EXPECT_TRUE(mapped.read_only());
  EXPECT_EQ(mapped.at<float>({1}), -2);
  EXPECT_THAT(mapped.contiguous().values<float>(), ElementsAre(1, -2));
  EXPECT_FALSE(parse(npy(header("'>u1'", "(2,)"), "ab")).byte_swapped());
}

TEST(NpyRead, FortranOrderBecomesStrides) {
  const NdArray a = parse(npy(header("'<f4'", "(2, 3)", "True"), kSix));
  EXPECT_EQ(a.byte_strides(), (Dims{4, 8}));
  EXPECT_EQ(a.at<float>({1, 0}), 2);
  EXPECT_THAT(a.contiguous().values<float>(), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST(NpyRead, ScalarsAndEmptyArrays) {
  EXPECT_EQ(parse(npy(header("'<i8'", "()"), raw<int64_t>({7}))).at<int64_t>({}), 7);
  EXPECT_EQ(parse(npy(header("'<i8'", "(0, 5)"), "")).shape(), (Dims{0, 5}));
  std::string ones;
  for (int i = 0; i < 64; ++i) ones += "1, ";
  EXPECT_EQ(parse(npy(header("'|u1'", "(" + ones + ")"), "a")).rank(), 64);
  EXPECT_THAT(refusal(npy(header("'|u1'", "(" + ones + "1)"), "a")),
              HasSubstr("more than 64 dimensions"));
}

TEST(NpyRead, BoolsOtherThanOneAreMadeOne) {
  const std::string file = npy(header("'|b1'", "(3,)"), std::string("\0\1\2", 3));
  EXPECT_THAT(parse(file).values<bool>(), ElementsAre(false, true, true));
  Folder folder;
  const std::string path = folder.write("b.npy", file);
  EXPECT_THAT(error_of([&] { map_npy(path); }), HasSubstr("neither 0 nor 1"));
}

TEST(NpyRead, VoidIsBfloat16WhenTheCallerSaysSo) {
  const std::string file = npy(header("'|V2'", "(2,)"), raw<uint16_t>({0x3f80, 0xc000}));
  EXPECT_THAT(refusal(file), HasSubstr("void_as = DType::bfloat16"));
  const NdArray a = parse(file, {.void_as = DType::bfloat16});
  EXPECT_EQ(static_cast<float>(a.at<BFloat16>({1})), -2);
  EXPECT_THAT(refusal(npy(header("'|V4'", "(1,)"), "abcd"), {.void_as = DType::bfloat16}),
              HasSubstr("raw bytes"));
}

TEST(NpyRead, Refusals) {
  struct Case {
    std::string file, message;
  };
  for (const Case& c : std::vector<Case>{
           {"", "EOF: reading magic string, expected 8 bytes got 0"},
           {"PK\3\4 a zip file", "read it as .npz"},
           {"\x93NUMPZ\1__", "the magic string is not correct"},
           {npy(kFloats23, kSix, 4),
            "we only support format version (1,0), (2,0), and (3,0), not (4,0)"},
           {npy(kFloats23, kSix, 0), "not (0,0)"},
           {std::string("\x93NUMPY\2\0\xff\xff\xff\xff{", 13),
            "Header info length (4294967295) is large"},
           {std::string("\x93NUMPY\1\0\xff\xff{", 11),
            "reading array header, expected 65535 bytes got 1"},
           {npy(kFloats23, kSix + "x"), "set allow_trailing_bytes"},
           {npy(header("'|O'", "(1,)"), "pickle"), "Object arrays cannot be loaded"},
           {npy(header("'O'", "(1,)"), "pickle"), "executes nothing"},
           {npy(header("[('x', '<f4'), ('y', '<i4')]", "(1,)"), "12345678"), "structured arrays"},
           {npy(header("'|V8'", "(1,)"), "12345678"), "raw bytes"},
           {npy(header("'|S3'", "(1,)"), "abc"), "text is not a tensor"},
           {npy(header("'<U3'", "(1,)"), "abcabcabcabc"), "text is not a tensor"},
           {npy(header("'<M8[ns]'", "(1,)"), "12345678"), "astype('int64')"},
           {npy(header("'<f16'", "(1,)"), "1234567812345678"), "long double"},
           {npy(header("'<f1'", "(1,)"), "1"), "cannot read elements of type '<f1'"},
           {npy(header("''", "(1,)"), "1"), "cannot read elements of type ''"},
           {npy(header("3", "(1,)"), "1"), "descr is not a valid dtype descriptor"},
           {npy(header("'<f4'", "(-1, 3)"), kSix), "negative dimensions are not allowed"},
           {npy(header("'<f4'", "(-1, -2)"), kSix), "negative dimensions are not allowed"},
           {npy(header("'<f4'", "(9223372036854775808,)"), kSix), "too large an integer"},
           {npy(header("'<f4'", "(9223372036854775807,)"), kSix), "array is too big"},
           {npy(header("'<f4'", "(4294967296, 4294967296)"), kSix), "array is too big"},
           {npy(header("'<f4'", "(0, 4294967296, 4294967296)"), ""), "array is too big"},
           {npy(header("'<f4'", "(1099511627776,)"), kSix), "expected 4398046511104 bytes got 24"},
           {npy(header("'<f4'", "[2]"), kSix), "shape is not valid"},
           {npy(header("'<f4'", "2"), kSix), "shape is not valid"},
           {npy(header("'<f4'", "(6)"), kSix), "(6,) is"},
           {npy(header("'<f4'", "(2 3)"), kSix), "',' or ')' in the shape"},
           {npy(header("'<f4'", "(,)"), kSix), "shape is not valid"},
           {npy(header("'<f4'", "(2.0, 3)"), kSix), "',' or ')'"},
           {npy(header("'<f4'", "(07,)"), kSix), "shape is not valid"},
           {npy(header("'<f4'", "(6,)", "0"), kSix),
            "fortran_order is not a valid bool: found \"0"},
           {npy(header("'<f4'", "(6,)", "Falsehood"), kSix), "fortran_order is not a valid bool"},
           {npy("{'descr': '<f4', 'fortran_order': False, }", kSix), "missing 'shape'"},
           {npy("{'descr': '<f4', 'shape': (6,), }", kSix), "missing 'fortran_order'"},
           {npy("{}", kSix), "Header does not contain the correct keys: missing 'descr'"},
           {npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", kSix),
            "'descr' twice"},
           {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}", kSix),
            "found 'x'"},
           {npy(kFloats23 + "1", kSix), "expected nothing after the dict"},
           {npy("{'descr': '<f4' 'fortran_order'", kSix), "',' or '}' after a value"},
           {npy("{'descr': '<f4", kSix), "descr is not a valid dtype descriptor"},
           {npy("{'d\\x65scr': '<f4'}", kSix), "a key in quotes"},
           {npy("__import__('os').system('true')", kSix), "Cannot parse header: expected a dict"},
           {npy("", kSix), "found the end"}}) {
    EXPECT_THAT(refusal(c.file), HasSubstr(c.message));
  }
}

TEST(NpyRead, NamesTheFile) {
  Folder folder;
  const std::string path = folder.write("bad.npy", "nonsense");
  EXPECT_THAT(error_of([&] { read_npy(path); }),
              HasSubstr("read_npy: '" + path + "': the magic string"));
  EXPECT_THAT(error_of([&] { map_npy(path); }),
              HasSubstr("map_npy: '" + path + "': the magic string"));
  EXPECT_THAT(error_of([&] { read_npy(folder.file("none")); }), HasSubstr("No such file"));
  EXPECT_THAT(error_of([&] { read_npy(folder.path()); }), HasSubstr("is a directory"));
  EXPECT_THAT(error_of([&] { map_npy(folder.write("empty", "")); }), HasSubstr("EOF"));
}

// Cut at every byte: always an error, never a wrong array.
TEST(NpyRead, CutShortAnywhere) {
  const std::string file = npy(kFloats23, kSix);
  Folder folder;
  for (size_t n = 0; n < file.size(); ++n) {
    EXPECT_NE(refusal(file.substr(0, n)), "") << n;
    const std::string path = folder.write("cut.npy", file.substr(0, n));
    EXPECT_NE(error_of([&] { read_npy(path); }), "") << n;
    EXPECT_NE(error_of([&] { map_npy(path); }), "") << n;
  }
}

TEST(NpyRead, TrailingBytesOnRequest) {
  const std::string file = npy(kFloats23, kSix) + npy(kFloats23, kSix);
  EXPECT_EQ(parse(file, {.allow_trailing_bytes = true}).at<float>({0, 1}), 2);
  Folder folder;
  EXPECT_EQ(
      map_npy(folder.write("two.npy", file), {.allow_trailing_bytes = true}).at<float>({0, 1}), 2);
}

TEST(NpyMap, LivesOnWithoutItsFileAndIsReadOnly) {
  Folder folder;
  write_npy(folder.file("a.npy"), NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  NdArray a = map_npy(folder.file("a.npy"));
  write_npy(folder.file("a.npy"),
            NdArray::zeros(DType::float32, {2, 3}));  // another file under the name
  std::filesystem::remove(folder.file("a.npy"));
  EXPECT_TRUE(a.is_aligned());
  EXPECT_THAT(a.values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(error_of([&] {
                a.set<float>({0, 0}, 1);
              }),
              HasSubstr("assignment destination is read-only"));
}

TEST(NpyMap, MisalignedDataIsReadElementByElement) {
  Folder folder;
  const std::string h =
      kFloats23 + std::string(64 - (10 + kFloats23.size()) % 64 + 1, ' ');  // data at 64n + 1
  const NdArray a = map_npy(folder.write("odd.npy", npy(h, kSix)));
  EXPECT_FALSE(a.is_aligned());
  EXPECT_EQ(a.at<float>({1, 2}), 6);
  EXPECT_THAT(error_of([&] { (void)a.values<float>(); }), HasSubstr("misaligned"));
  EXPECT_THAT(a.contiguous().values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyWrite, TellsHowFarItIs) {
  Folder folder;
  std::vector<uint64_t> told;
  const NdArray a = NdArray::zeros(DType::uint8, {40 << 20});
  write_npy(folder.file("a.npy"), a, {.on_progress = [&](uint64_t n) { told.push_back(n); }});
  EXPECT_THAT(told, ElementsAre(16 << 20, 32 << 20, 40 << 20));
  EXPECT_THROW(write_npy(folder.file("a.npy"), NdArray::zeros(DType::uint8, {1}),
                         {.on_progress = [](uint64_t) { throw std::bad_alloc(); }}),
               std::bad_alloc);
  EXPECT_EQ(read_npy(folder.file("a.npy")).size(), 40 << 20) << "the old file stays";
}

TEST(NpyMap, WritableModes) {
  Folder folder;
  const std::string path = folder.file("a.npy");
  write_npy(path, NdArray::from_vector<float>({3}, {1, 2, 3}));
  const std::string before = content_of(path);
  NdArray own = map_npy(path, {}, MapMode::kCopyOnWrite);
  own.mutable_values<float>()[0] = 9;
  EXPECT_EQ(content_of(path), before);
  EXPECT_EQ(map_npy(path).at<float>({0}), 1);
  {
    NdArray shared = map_npy(path, {}, MapMode::kReadWrite);
    shared.mutable_values<float>()[2] = 30;
    EXPECT_EQ(map_npy(path).at<float>({2}), 30);
  }
  EXPECT_EQ(read_npy(path).at<float>({2}), 30);
  EXPECT_EQ(own.at<float>({0}), 9);
  EXPECT_THAT(error_of([&] { map_npy(folder.file("none"), {}, MapMode::kReadWrite); }),
              HasSubstr("cannot open"));
}

// As NumPy 2.4 writes those of ml_dtypes 0.6.
TEST(NpyRead, Float8ByNumPy) {
  const std::string e5m2 = npy("{'descr': '<f1', 'fortran_order': False, 'shape': (1,), }", "\x3c");
  EXPECT_THAT(error_of([&] { read_npy(bytes_of(e5m2)); }),
              AllOf(HasSubstr("void_as = DType::float8_e5m2"), HasSubstr("a .safetensors file")));
  EXPECT_EQ(read_npy(bytes_of(e5m2), {.void_as = DType::float8_e5m2}).dtype(), DType::float8_e5m2);
  EXPECT_NE(error_of([&] { read_npy(bytes_of(e5m2), {.void_as = DType::float8_e4m3fn}); }), "");
  const std::string e4m3 = npy("{'descr': '<V1', 'fortran_order': False, 'shape': (1,), }", "\x38");
  EXPECT_THAT(error_of([&] { read_npy(bytes_of(e4m3)); }), HasSubstr("V1: DType::float8_e4m3fn"));
  EXPECT_EQ(read_npy(bytes_of(e4m3), {.void_as = DType::float8_e4m3fn}).dtype(),
            DType::float8_e4m3fn);
}

}  // namespace
}  // namespace tenon::interop
