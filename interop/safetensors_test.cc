// Files built byte by byte from the format's specification, with everything that is refused and
// why; and what write_safetensors makes.
#include "tenon/interop/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenon/interop/crafted_files.h"
#include "tenon/interop/json_literal.h"

namespace tenon::interop {
namespace {

using crafted::bytes_of;
using crafted::content_of;
using crafted::error_of;
using crafted::Folder;
using crafted::little_endian;
using crafted::raw;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
  return little_endian(header.size(), 8) + header + data;
}
// One float32 "a" of shape [2] and the rest of the header as given.
std::string with_a(const std::string& rest, const std::string& data = std::string(8, '\0')) {
  return file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})" + rest + "}", data);
}
std::string refusal(const std::string& file, const SafetensorsReadOptions& options = {}) {
  return error_of([&] {
    const SafetensorsReader reader(bytes_of(file), options);
    for (const std::string& name : reader.names()) reader.map(name);
  });
}

const std::string kTwo =
    file_of(R"({"__metadata__":{"format":"pt","note":"\u00e9\n"},)"
            R"("b":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
            R"( "a" : { "shape":[2,1],"data_offsets":[0,8] , "dtype":"F32" } }   )",
            raw<float>({1.5f, -2}) + raw<int64_t>({7}));

TEST(Safetensors, ReadsWhatTheSpecificationSays) {
  const SafetensorsReader reader(bytes_of(kTwo));
  EXPECT_THAT(reader.names(), ElementsAre("a", "b"));  // in the order of the data
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  EXPECT_EQ(reader.metadata().at("note"), "\xc3\xa9\n");
  EXPECT_EQ(reader.info("a").shape, (Dims{2, 1}));
  EXPECT_EQ(reader.info("b").dtype, DType::int64);
  EXPECT_EQ(reader.info("b").begin, 8u);
  EXPECT_THAT(reader.read("a").values<float>(), ElementsAre(1.5f, -2));
  EXPECT_EQ(reader.read("b").at<int64_t>({}), 7);
  EXPECT_TRUE(reader.contains("a") && !reader.contains("c"));
  EXPECT_THAT(error_of([&] { reader.read("c"); }),
              HasSubstr("there is no tensor 'c'; the file has a, b"));
  EXPECT_TRUE(SafetensorsReader(bytes_of(file_of("{}", ""))).names().empty());
  EXPECT_TRUE(SafetensorsReader(bytes_of(file_of("{ \n\t}     ", ""))).names().empty());
  EXPECT_TRUE(
      SafetensorsReader(bytes_of(file_of(R"({"__metadata__":{}})", ""))).metadata().empty());
}

TEST(Safetensors, EmptyTensorsTakeNoPlace) {
  const std::string file = file_of(R"({"x":{"dtype":"F64","shape":[0,3],"data_offsets":[2,2]},)"
                                   R"("y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                   R"("z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                                   "ab");
  const SafetensorsReader reader(bytes_of(file));
  EXPECT_THAT(reader.names(), ElementsAre("z", "y", "x"));
  EXPECT_EQ(reader.read("x").shape(), (Dims{0, 3}));
  EXPECT_THAT(reader.map("y").values<uint8_t>(), ElementsAre('a', 'b'));
}

TEST(Safetensors, MapsKeepTheFileAndAreReadOnly) {
  Folder folder;
  const std::string path = folder.write("m.safetensors", kTwo);
  NdArray a;
  {
    const SafetensorsReader reader(path);
    a = reader.map("a");
    NdArray copy = reader.read("a");
    copy.set<float>({0, 0}, 3);
  }
  write_safetensors(path, {{"other", NdArray::zeros(DType::int8, {3})}});  // replaces the name only
  EXPECT_EQ(a.at<float>({0, 0}), 1.5f);
  EXPECT_TRUE(a.read_only());
  EXPECT_THAT(error_of([&] { a.mutable_data(); }), HasSubstr("read-only"));
  EXPECT_THAT(SafetensorsReader(path).names(), ElementsAre("other"));
}

TEST(Safetensors, HeadersThatAreNotPaddedAreCopied) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )";
  ASSERT_NE(header.size() % 4, 0u);
  Folder folder;
  const SafetensorsReader reader(
      folder.write("u.safetensors", file_of(header, raw<float>({1, 2}))));
  EXPECT_FALSE(reader.map("a").is_aligned());
  EXPECT_TRUE(reader.read("a").is_aligned());
  EXPECT_EQ(reader.map("a").at<float>({1}), 2);
}

TEST(Safetensors, Refusals) {
  EXPECT_THAT(refusal(""), HasSubstr("header too small: the file has 0 bytes"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("header too small"));
  EXPECT_THAT(refusal(little_endian(100'000'001, 8)), HasSubstr("header too large"));
  EXPECT_THAT(refusal(little_endian(UINT64_MAX, 8) + "{}"), HasSubstr("header too large"));
  EXPECT_THAT(refusal(little_endian(3, 8) + "{}"), HasSubstr("invalid header length: it says 3"));
  EXPECT_THAT(refusal(kTwo, {.max_header_bytes = 16}), HasSubstr("the limit is 16"));
  EXPECT_THAT(refusal(file_of("", "")), HasSubstr("must begin with '{'"));
  EXPECT_THAT(refusal(file_of(" {}", "")), HasSubstr("must begin with '{'"));
  EXPECT_THAT(refusal(file_of("[]", "")), HasSubstr("must begin with '{'"));
  EXPECT_THAT(refusal(file_of("{}\n", "")), HasSubstr("nothing but spaces after"));
  EXPECT_THAT(refusal(file_of("{}{}", "")), HasSubstr("nothing but spaces after"));
  EXPECT_THAT(refusal(file_of("{\"\xff\":1}", "")), HasSubstr("invalid UTF-8 in header"));
  EXPECT_THAT(refusal(file_of("{", "")), HasSubstr("byte 1: the end"));
  EXPECT_THAT(refusal(file_of("{,}", "")), HasSubstr("invalid JSON in header"));
  EXPECT_THAT(refusal(file_of("{'a':1}", "")), HasSubstr("a name in double quotes"));
  EXPECT_THAT(refusal(file_of(R"({"a":1})", "")), HasSubstr("'{' of a tensor at byte 5: '1}'"));
  EXPECT_THAT(refusal(with_a(",")), HasSubstr("a name in double quotes"));
  EXPECT_THAT(refusal(with_a("", std::string(9, 'x'))), HasSubstr("file not fully covered"));
  EXPECT_THAT(refusal(with_a("", std::string(7, 'x'))), HasSubstr("file not fully covered"));
  EXPECT_THAT(refusal(file_of("{}", "x")), HasSubstr("file not fully covered"));
}

TEST(Safetensors, DuplicatesAreRefusedThroughEscapesToo) {
  const std::string again = R"("dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_THAT(refusal(with_a(",\"a\":{" + again)), HasSubstr("'a' stands in the header twice"));
  EXPECT_THAT(refusal(with_a(",\"\\u0061\":{" + again)), HasSubstr("'a' stands in the header"));
  EXPECT_THAT(refusal(with_a(R"(,"__metadata__":{},"__metad\u0061ta__":{})")),
              HasSubstr("'__metadata__' stands in the header twice"));
  EXPECT_THAT(refusal(with_a(R"(,"__metadata__":{"k":"1","\u006b":"2"})")),
              HasSubstr("'k' stands in __metadata__ twice"));
  EXPECT_THAT(refusal(with_a(R"(,"b":{"dtype":"U8","d\u0074ype":"U8","shape":[0],)"
                             R"("data_offsets":[8,8]})")),
              HasSubstr("tensor 'b': 'dtype' stands there twice"));
}

TEST(Safetensors, TensorsThatAreWrong) {
  const auto b = [](const std::string& fields) {
    return refusal(with_a(",\"b\":{" + fields + "}", std::string(16, '\0')));
  };
  EXPECT_THAT(b(R"("dtype":"F32","shape":[2])"), HasSubstr("missing field 'data_offsets'"));
  EXPECT_THAT(b(R"("shape":[2],"data_offsets":[8,16])"), HasSubstr("missing field 'dtype'"));
  EXPECT_THAT(b(R"("dtype":"F32","data_offsets":[8,16])"), HasSubstr("missing field 'shape'"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[2],"data_offsets":[8,16],"x":0)"),
              HasSubstr("unknown field 'x'"));
  EXPECT_THAT(b(R"("dtype":"F128","shape":[2],"data_offsets":[8,16])"),
              HasSubstr("unknown dtype 'F128'"));
  EXPECT_THAT(b(R"("dtype":"","shape":[2],"data_offsets":[8,16])"), HasSubstr("unknown dtype ''"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[3],"data_offsets":[8,16])"),
              HasSubstr("invalid shape, data type, or offset for tensor: F32 of shape [3] takes 96 "
                        "bits, data_offsets [8, 16] are 8 bytes"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[2],"data_offsets":[16,8])"),
              HasSubstr("invalid offset for tensor: [16, 8] ends before it begins"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[8,16])"),
              HasSubstr("overflow computing buffer size"));
  EXPECT_THAT(b(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[8,16])"),
              HasSubstr("overflow computing buffer size"));
  for (const char* shape : {"-1", "1.0", "1e1", "01", "9223372036854775808", "null", "\"1\"", "[1]",
                            "99999999999999999999999", "true", "1,", "+1", "0x1"}) {
    EXPECT_THAT(b(concat_text(R"("dtype":"F32","shape":[)", shape, R"(],"data_offsets":[8,16])")),
                HasSubstr("invalid JSON in header: expected"))
        << shape;
  }
  EXPECT_THAT(b(R"("dtype":"F32","shape":2,"data_offsets":[8,16])"), HasSubstr("'[' of a shape"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[2],"data_offsets":[8])"), HasSubstr("between the two"));
  EXPECT_THAT(b(R"("dtype":"F32","shape":[2],"data_offsets":[8,16,24])"),
              HasSubstr("']' after two offsets"));
  EXPECT_THAT(b(R"("dtype":3,"shape":[2],"data_offsets":[8,16])"), HasSubstr("name of a dtype"));
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_THAT(b(R"("dtype":"U8","shape":[)" + many + R"(],"data_offsets":[8,9])"),
              HasSubstr("more than 64 dimensions"));
  EXPECT_THAT(refusal(file_of(R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", "")),
              HasSubstr("empty name"));
  EXPECT_THAT(refusal(with_a(R"(,"__metadata__":{"n":1})")), HasSubstr("holds nothing else"));
  EXPECT_THAT(refusal(with_a(R"(,"__metadata__":null)")), HasSubstr("'{' of __metadata__"));
}

TEST(Safetensors, DataThatLiesWrong) {
  const auto b = [](const std::string& begin, const std::string& end, size_t bytes) {
    return refusal(with_a(
        ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" + begin + "," + end + "]}",
        std::string(bytes, '\0')));
  };
  EXPECT_EQ(b("8", "12", 12), "");
  EXPECT_THAT(b("9", "13", 13), HasSubstr("'b': it begins at 9, a gap after 8"));
  EXPECT_THAT(b("4", "8", 8), HasSubstr("'b': it begins at 4, inside another one that ends at 8"));
  EXPECT_THAT(b("0", "4", 8), HasSubstr("inside another one"));
  EXPECT_THAT(b("18446744073709551612", "18446744073709551616", 12), HasSubstr("invalid JSON"));
  EXPECT_THAT(b("18446744073709551611", "18446744073709551615", 12), HasSubstr("a gap after 8"));
  const std::string odd = file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                  R"("b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
                                  "x" + raw<float>({2}));
  EXPECT_THAT(refusal(odd), AllOf(HasSubstr("'b' of F32 is misaligned: it begins at byte 1"),
                                  HasSubstr("allow_misaligned")));
  const SafetensorsReader reader(bytes_of(odd), {.allow_misaligned = true});
  EXPECT_EQ(reader.read("b").at<float>({0}), 2);
  EXPECT_EQ(reader.map("b").at<float>({0}), 2);
  const std::string bools = file_of(R"({"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})",
                                    std::string("\0\1\2", 3));
  EXPECT_THAT(refusal(bools), HasSubstr("tensor 'a': a BOOL is the byte 2, neither 0 nor 1"));
  EXPECT_THAT(error_of([&] { SafetensorsReader(bytes_of(bools)).read("a"); }), HasSubstr("BOOL"));
}

TEST(Safetensors, CutShortAnywhere) {
  for (size_t n = 0; n < kTwo.size(); ++n) EXPECT_NE(refusal(kTwo.substr(0, n)), "") << n;
  EXPECT_EQ(refusal(kTwo), "");
}

TEST(Safetensors, Float8) {
  const std::string file = file_of(R"({"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},)"
                                   R"("b":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[2,4]}})",
                                   "\x38\xff\x3c\x7f");
  for (const bool as_uint8 : {false, true}) {  // which is for the kinds below
    const SafetensorsReader reader(bytes_of(file), {.float8_as_uint8 = as_uint8});
    EXPECT_EQ(reader.info("a").dtype, DType::float8_e4m3fn);
    EXPECT_EQ(reader.info("b").dtype, DType::float8_e5m2);
    Folder folder;
    write_safetensors(folder.file("f"), {{"a", reader.read("a")}, {"b", reader.map("b")}});
    EXPECT_EQ(content_of(folder.file("f")).substr(content_of(folder.file("f")).size() - 4),
              "\x38\xff\x3c\x7f");
    EXPECT_EQ(SafetensorsReader(folder.file("f")).info("a").dtype_name, "F8_E4M3");
    EXPECT_EQ(SafetensorsReader(folder.file("f")).info("b").dtype_name, "F8_E5M2");
    // The bits of a uint8 array may still be called so.
    const NdArray bits = NdArray::from_vector<uint8_t>({2}, {0x38, 0xff});
    write_safetensors(folder.file("u"), {{"a", bits, "F8_E4M3"}});
    EXPECT_EQ(SafetensorsReader(folder.file("u")).info("a").dtype, DType::float8_e4m3fn);
  }
}

TEST(Safetensors, TypesThatTenonHasNot) {
  const std::string file =
      file_of(R"({"f":{"dtype":"F8_E5M2FNUZ","shape":[2],"data_offsets":[0,2]},)"
              R"("g":{"dtype":"F4","shape":[4],"data_offsets":[2,4]}})",
              "\x38\x40\x12\x34");
  const SafetensorsReader reader(bytes_of(file));
  EXPECT_EQ(reader.info("f").dtype_name, "F8_E5M2FNUZ");
  EXPECT_EQ(reader.info("g").dtype, DType::none);
  EXPECT_THAT(error_of([&] { reader.map("f"); }), HasSubstr("float8_as_uint8 = true"));
  EXPECT_THAT(error_of([&] { reader.read("g"); }), HasSubstr("nor for anything below 8 bits"));
  const SafetensorsReader bits(bytes_of(file), {.float8_as_uint8 = true});
  EXPECT_THAT(bits.read("f").values<uint8_t>(), ElementsAre(0x38, 0x40));
  EXPECT_THAT(refusal(file_of(R"({"g":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "x")),
              HasSubstr("takes 12 bits"));
  // Out again as what it was.
  Folder folder;
  write_safetensors(folder.file("f"), {{"f", bits.read("f"), "F8_E8M0"}});
  EXPECT_EQ(SafetensorsReader(folder.file("f")).info("f").dtype_name, "F8_E8M0");
  EXPECT_EQ(read_safetensors(folder.file("f"), {.float8_as_uint8 = true})[0].dtype_name, "F8_E8M0");
}

TEST(SafetensorsWrite, IsCanonical) {
  Folder folder;
  const NdArray base = NdArray::from_vector<float>({2, 2}, {1, 2, 3, 4});
  const NdArray transposed = NdArray::over({.data = const_cast<std::byte*>(base.data()),
                                            .owner = base.owner(),
                                            .dtype = DType::float32,
                                            .shape = {2, 2},
                                            .byte_strides = {4, 8}});
  uint64_t progress = 0;
  write_safetensors(folder.file("w"),
                    {{"z", NdArray::from_vector<uint8_t>({1}, {9})},
                     {"b\"\n", transposed},
                     {"a", base},
                     {"d", NdArray::from_vector<double>({}, {0.5})}},
                    {.metadata = {{"k", "v"}}, .on_progress = [&](uint64_t n) { progress = n; }});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"d":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},)"
      R"("b\"\u000a":{"dtype":"F32","shape":[2,2],"data_offsets":[24,40]},)"
      R"("z":{"dtype":"U8","shape":[1],"data_offsets":[40,41]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(content_of(folder.file("w")),
            file_of(padded, raw<double>({0.5}) + raw<float>({1, 2, 3, 4}) +
                                raw<float>({1, 3, 2, 4}) + "\x09"));
  EXPECT_EQ(progress, 41u);
  write_safetensors(folder.file("e"), {});
  EXPECT_EQ(content_of(folder.file("e")), file_of("{}      ", ""));
}

TEST(SafetensorsWrite, EveryDtypeComesBack) {
  Folder folder;
  for (int i = 1; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    NdArray a = NdArray::zeros(dtype, {2, 3});
    for (int k = 0; k < 6; ++k)
      a.mutable_data()[k * item_size(dtype)] = std::byte(dtype == DType::bool_ ? k % 2 : k + 1);
    if (dtype == DType::complex128) {
      EXPECT_THAT(error_of([&] {
                    write_safetensors(folder.file("x"), {{"a", a}});
                  }),
                  HasSubstr("the format has no complex128: write .npz"));
      continue;
    }
    write_safetensors(folder.file("x"), {{"a", a}});
    const NdArray back = SafetensorsReader(folder.file("x")).map("a");
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_TRUE(back.is_aligned());
    EXPECT_EQ(std::memcmp(back.data(), a.data(), static_cast<size_t>(a.nbytes())), 0);
  }
  static uint8_t other[] = {0, 2, 255};  // bools of memory of others
  write_safetensors(folder.file("x"),
                    {{"a", NdArray::over({.data = other, .dtype = DType::bool_, .shape = {3}})}});
  EXPECT_THAT(SafetensorsReader(folder.file("x")).read("a").values<bool>(),
              ElementsAre(false, true, true));
}

TEST(SafetensorsWrite, Refusals) {
  Folder folder;
  const std::string old = folder.write("w", "old");
  const NdArray a = NdArray::zeros(DType::uint8, {1}), f = NdArray::zeros(DType::float32, {1});
  const auto written = [&](const std::vector<SafetensorsEntry>& entries,
                           const std::map<std::string, std::string>& metadata = {}) {
    return error_of([&] { write_safetensors(old, entries, {.metadata = metadata}); });
  };
  EXPECT_THAT(written({{"", a}}), HasSubstr("cannot be called ''"));
  EXPECT_THAT(written({{"__metadata__", a}}), HasSubstr("cannot be called"));
  EXPECT_THAT(written({{"a", a}, {"a", f}}), HasSubstr("two tensors are called 'a'"));
  EXPECT_THAT(written({{"\xff", a}}), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(written({{"a", a}}, {{"k", "\xc3"}}), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(written({{"a", NdArray()}}), HasSubstr("is no array"));
  EXPECT_THAT(written({{"a", f, "F8_E4M3"}}), HasSubstr("cannot be written as 'F8_E4M3'"));
  EXPECT_THAT(written({{"a", a, "F4"}}), HasSubstr("cannot be written as 'F4'"));
  EXPECT_THAT(written({{"a", a, "x"}}), HasSubstr("cannot be written as 'x'"));
  EXPECT_EQ(content_of(old), "old");
}

TEST(JsonLiteral, StringsAndUtf8) {
  const auto decoded = [](std::string_view text) {
    std::string out;
    return JsonLiteral(text).string(&out) ? out : "refused";
  };
  EXPECT_EQ(decoded(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(decoded(R"("\u20AC\ud83D\uDE00")"), "\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(decoded(R"("\u0000")"), std::string(1, '\0'));
  for (const char* wrong :
       {"\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "\"\\ud800\"",
        "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\", "a"}) {
    EXPECT_EQ(decoded(wrong), "refused") << wrong;
  }
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
  for (const char* wrong :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xc3", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(wrong));
  }
}

}  // namespace
}  // namespace tenon::interop
