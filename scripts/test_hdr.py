"""The histogram decoder, against a string that HdrHistogram wrote and against bytes made by hand."""

import base64
import json
import os
import struct
import unittest
import zlib

from load_test_analysis import hdr

FIXTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "oversubscribe.json")


def real_text(phase="acquireWait"):
    with open(FIXTURE, encoding="utf-8") as file:
        return json.load(file)["phases"][phase]["histogram"]["data"]


def zigzag(number):
    """One count or run of empty buckets (a negative number), as bytes."""
    value = (number << 1) if number >= 0 else (-number << 1) - 1
    out = bytearray()
    for _ in range(8):
        if value < 0x80:
            return bytes(out + bytes([value]))
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def payload(numbers, digits=3, lowest=1, cookie=0x1C849313, offset=0, length=None):
    counts = b"".join(zigzag(number) for number in numbers)
    length = len(counts) if length is None else length
    return struct.pack(">Iiiiqqd", cookie, length, offset, digits, lowest, 2**40, 1.0) + counts


def text(numbers=(), **header):
    return base64.b64encode(payload(numbers, **header)).decode()


def compressed(data, cookie=0x1C849314, length=None):
    squeezed = zlib.compress(data)
    length = len(squeezed) if length is None else length
    return base64.b64encode(struct.pack(">Ii", cookie, length) + squeezed).decode()


class Decoding(unittest.TestCase):
    def test_a_real_histogram_has_its_2000_values_and_its_percentiles(self):
        histogram = hdr.decode(real_text())
        self.assertEqual(histogram.total, 2000)
        # What the load tester measured exactly: 6012.7, 7802.1, 9743.2 and 11674.159 µs; three digits are kept.
        for percent, exact_us in (("50", 6012.7), ("90", 7802.1), ("99", 9743.2), ("100", 11674.159)):
            self.assertAlmostEqual(histogram.percentile(percent) / 1000, exact_us, delta=exact_us * 0.001)
        self.assertEqual(histogram.percentile("99"), 9_740_287)

    def test_every_histogram_of_the_fixture_agrees_with_the_extremes_beside_it(self):
        with open(FIXTURE, encoding="utf-8") as file:
            phases = json.load(file)["phases"]
        for name, phase in phases.items():
            with self.subTest(name):
                buckets = hdr.decode(phase["histogram"]["data"]).buckets()
                self.assertEqual(sum(count for _, _, count in buckets), phase["count"])
                self.assertTrue(buckets[0][0] <= phase["min"] * 1000 <= buckets[0][1] + 1)
                self.assertTrue(buckets[-1][0] <= phase["max"] * 1000 <= buckets[-1][1] + 1)

    def test_an_uncompressed_payload_is_read_too(self):
        self.assertEqual(hdr.decode(text([0, 5, 7])).buckets(), [(1, 1, 5), (2, 2, 7)])

    def test_a_negative_number_is_a_run_of_empty_buckets(self):
        self.assertEqual(hdr.decode(text([-1500, 3, -2, 1])).buckets(), [(1500, 1500, 3), (1503, 1503, 1)])

    def test_buckets_double_in_width_after_the_first_2048(self):
        # Bucket 2047 is the last of width 1, 2048..3071 are 2 wide, 3072.. are 4 wide.
        self.assertEqual(
            hdr.decode(text([-2047, 1, 1, -1022, 1, 1])).buckets(),
            [(2047, 2047, 1), (2048, 2049, 1), (4094, 4095, 1), (4096, 4099, 1)],
        )

    def test_a_lowest_value_above_one_widens_all_buckets(self):
        self.assertEqual(hdr.decode(text([0, 4], lowest=1000)).buckets(), [(512, 1023, 4)])

    def test_counts_of_more_than_one_byte_are_read(self):
        for count in (63, 64, 8191, 8192, 2**31, 2**40, 2**55, 2**60):
            self.assertEqual(hdr.decode(text([0, count])).total, count)

    def test_an_empty_histogram_has_no_percentile(self):
        self.assertIsNone(hdr.decode(text()).percentile("50"))


class Refusing(unittest.TestCase):
    def refuses(self, data, why):
        with self.assertRaisesRegex(hdr.BadHistogram, why):
            hdr.decode(data)

    def test_text_that_is_no_base64(self):
        self.refuses("HISTFAAA*", "is not base64")

    def test_another_format(self):
        self.refuses(base64.b64encode(b"\0" * 50).decode(), "no cookie of the V2 encoding")
        self.refuses(compressed(b"\0" * 50), "its payload starts with 0x00000000")

    def test_a_string_cut_anywhere(self):
        whole = base64.b64decode(real_text())
        for length in range(len(whole)):
            with self.subTest(length), self.assertRaises(hdr.BadHistogram):
                hdr.decode(base64.b64encode(whole[:length]).decode())

    def test_damaged_compressed_bytes(self):
        damaged = bytearray(base64.b64decode(real_text()))
        damaged[200] ^= 0xFF
        self.refuses(base64.b64encode(bytes(damaged)).decode(), "cannot be decompressed")

    def test_a_stream_that_is_shorter_than_announced(self):
        squeezed = zlib.compress(payload([1, 2, 3]))[:-6]
        self.refuses(base64.b64encode(struct.pack(">Ii", 0x1C849314, len(squeezed)) + squeezed).decode(), "cut short")

    def test_a_payload_that_unpacks_to_too_much(self):
        self.refuses(compressed(b"\0" * (hdr.MAX_PAYLOAD + 1)), "unreasonably large")

    def test_lengths_that_are_not_so(self):
        self.refuses(compressed(payload([1]), length=9999), "announces 9999 compressed bytes")
        self.refuses(text([1], length=50), "announces 50 bytes of counts but holds 1")
        self.refuses(text([1], length=-1), "announces -1 bytes")

    def test_headers_that_cannot_be(self):
        self.refuses(text([1], digits=6), "claims 6 significant digits")
        self.refuses(text([1], lowest=0), "claims 0 as its lowest value")
        self.refuses(text([1], offset=1), "shifted")

    def test_a_count_that_ends_in_the_middle(self):
        data = payload([1], length=2) + b"\x80"
        self.refuses(base64.b64encode(data).decode(), "ends in the middle of a count")

    def test_a_run_that_leads_beyond_all_values(self):
        last = 1024 * 54 - 1  # with 3 digits the 54th half of 2,048 buckets ends at 2^63 - 1
        self.assertEqual(hdr.decode(text([-last, 1])).percentile("100"), 2**63 - 1)
        self.refuses(text([-last - 1, 1]), "no signed 64-bit number")
        self.refuses(text([-(2**60), 1]), "no signed 64-bit number")
        self.refuses(text([-last + 1024 * 10, 1], lowest=2**11), "no signed 64-bit number")

    def test_the_precisions_that_there_are(self):
        for digits in (0, 5):
            self.assertEqual(hdr.decode(text([0, 1], digits=digits)).total, 1)


class Adding(unittest.TestCase):
    def test_counts_of_equal_buckets_are_added(self):
        both = hdr.decode(text([0, 5])) + hdr.decode(text([0, 2, 1]))
        self.assertEqual(both.buckets(), [(1, 1, 7), (2, 2, 1)])

    def test_the_percentile_of_a_sum_is_not_the_mean_of_the_percentiles(self):
        fast, slow = hdr.decode(text([0, 990])), hdr.decode(text([-1000, 10]))
        self.assertEqual((fast + slow).percentile("99"), 1)
        self.assertEqual((fast + slow + slow).percentile("99"), 1000)

    def test_histograms_of_different_precision_can_be_added(self):
        coarse, fine = hdr.decode(text([0, 0, 1], lowest=1024)), hdr.decode(text([-1500, 3]))
        both = coarse + fine
        self.assertEqual(both.total, 4)
        self.assertEqual((both.percentile("75"), both.percentile("100")), (1500, 3071))


class NearestRank(unittest.TestCase):
    def test_it_is_exact_where_floating_point_is_not(self):
        self.assertEqual(hdr.nearest_rank("99.9", 1000), 999)
        self.assertEqual(hdr.nearest_rank("7", 100), 7)
        self.assertEqual(hdr.nearest_rank("50", 1), 1)
        self.assertEqual(hdr.nearest_rank("0", 10), 1)
        self.assertEqual(hdr.nearest_rank("100", 10), 10)


if __name__ == "__main__":
    unittest.main()
