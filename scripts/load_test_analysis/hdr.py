"""HdrHistogram, the "V2" encoding as other tools write it: base64 of a compressed payload.

An HdrHistogram counts values in buckets whose width grows with the value, so that each value keeps a fixed number
of significant decimal digits. With D digits, S is the smallest power of two that is at least 2 * 10^D; the first S
buckets are `unit` wide, and from there on each S/2 buckets are twice as wide as the S/2 before. `unit` is the
largest power of two not above the smallest value to be told apart.

Bytes of the payload, all big-endian: cookie, length of the counts, normalizing offset, digits (four 32-bit
integers), lowest and highest trackable value (64-bit integers), integer-to-double ratio (64-bit float), counts.
The counts are variable-length ZigZag integers, one per bucket from the lowest up; a negative one is a run of that
many empty buckets. In the compressed form a cookie and a length stand before the payload squeezed by zlib.
"""

import base64
import binascii
import math
import struct
import zlib
from fractions import Fraction

COMPRESSED_COOKIE = 0x1C849304
PAYLOAD_COOKIE = 0x1C849303
# The second-lowest nibble of a cookie tells the width of a counter, which the V2 counts do not need.
COOKIE_MASK = ~0xF0

# Far beyond any real histogram (3 digits over 1 ns .. 1 h: 25,000 buckets); stops a hostile file from
# unpacking to gigabytes.
MAX_PAYLOAD = 16 * 1024 * 1024
VALUE_BITS = 63  # values are signed 64-bit integers, and not negative


class BadHistogram(ValueError):
    """Text that is not an HdrHistogram of the V2 encoding."""


class Histogram:
    """Counts of values: {(lowest, highest value of the bucket): count}, both ends included."""

    def __init__(self, counts):
        self.counts = dict(counts)
        self.total = sum(self.counts.values())
        # Buckets of different histograms may overlap; the upper end is what a percentile reports.
        self._ascending = sorted(self.counts.items(), key=lambda bucket: (bucket[0][1], bucket[0][0]))

    def __add__(self, other):
        """Both histograms' values in one: the correct way to put runs together (percentiles cannot be averaged)."""
        counts = dict(self.counts)
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        return Histogram(counts)

    def buckets(self):
        """(lowest, highest, count) from the lowest up; empty buckets are left out."""
        return [(lowest, highest, count) for (lowest, highest), count in self._ascending]

    def percentile(self, percent):
        """The value that `percent` of the values do not exceed, by nearest rank; None when there are none.

        The highest value of the bucket is reported: never too good, too large by at most one bucket's width.
        """
        remaining = nearest_rank(percent, self.total)
        for (_, highest), count in self._ascending:
            remaining -= count
            if remaining <= 0:
                return highest
        return None


def nearest_rank(percent, total):
    """The 1-based place of a percentile among `total` sorted values."""
    return max(1, math.ceil(Fraction(percent) * total / 100))


def decode(text):
    """The histogram in `text`. Raises BadHistogram, which says what is wrong."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadHistogram(f"is not base64: {error}") from error
    try:
        return _decode_payload(_decompress(data))
    except struct.error as error:
        raise BadHistogram("ends in the middle of its header") from error


def _decompress(data):
    cookie, length = struct.unpack_from(">Ii", data)
    if cookie & COOKIE_MASK == PAYLOAD_COOKIE:
        return data
    if cookie & COOKIE_MASK != COMPRESSED_COOKIE:
        raise BadHistogram(f"starts with {cookie:#010x}, which is no cookie of the V2 encoding")
    if not 0 <= length <= len(data) - 8:
        raise BadHistogram(f"announces {length} compressed bytes but holds {len(data) - 8}")
    squeezed = zlib.decompressobj()
    try:
        payload = squeezed.decompress(data[8 : 8 + length], MAX_PAYLOAD)
    except zlib.error as error:
        raise BadHistogram(f"cannot be decompressed: {error}") from error
    if squeezed.unconsumed_tail:
        raise BadHistogram("is unreasonably large")
    if not squeezed.eof:
        raise BadHistogram("cannot be decompressed: it is cut short")
    return payload


def _decode_payload(payload):
    header = struct.Struct(">Iiiiqqd")
    cookie, length, offset, digits, lowest, _highest, _ratio = header.unpack_from(payload)
    if cookie & COOKIE_MASK != PAYLOAD_COOKIE:
        raise BadHistogram(f"its payload starts with {cookie:#010x}, which is no cookie of the V2 encoding")
    if not 0 <= digits <= 5:
        raise BadHistogram(f"claims {digits} significant digits; 0 to 5 are possible")
    if lowest < 1:
        raise BadHistogram(f"claims {lowest} as its lowest value; it must be at least 1")
    if offset != 0:
        raise BadHistogram("is shifted (normalizing offset), which is not supported")
    if not 0 <= length <= len(payload) - header.size:
        raise BadHistogram(f"announces {length} bytes of counts but holds {len(payload) - header.size}")

    unit = lowest.bit_length() - 1
    first_width = (2 * 10**digits - 1).bit_length()  # log2 of S above
    counts = {}
    index = 0
    for number in _zigzag_numbers(payload[header.size : header.size + length]):
        if number < 0:
            index -= number
            continue
        if number > 0:
            counts[_bucket(index, unit, first_width)] = number
        index += 1
    return Histogram(counts)


def _bucket(index, unit, first_width):
    """The lowest and highest value of the bucket at `index`."""
    half_width = first_width - 1
    doublings = max(0, (index >> half_width) - 1)
    if doublings + first_width + unit > VALUE_BITS:
        raise BadHistogram("holds a value that no signed 64-bit number can be")
    lowest = (index - (doublings << half_width)) << (doublings + unit)
    return lowest, lowest + (1 << (doublings + unit)) - 1


def _zigzag_numbers(data):
    """Little-endian groups of 7 bits, the top bit meaning "more follow"; a ninth byte is whole."""
    position = 0
    while position < len(data):
        number = 0
        for group in range(9):
            if position == len(data):
                raise BadHistogram("ends in the middle of a count")
            byte = data[position]
            position += 1
            if group == 8:
                number |= byte << 56
                break
            number |= (byte & 0x7F) << (7 * group)
            if byte < 0x80:
                break
        yield (number >> 1) ^ -(number & 1)
