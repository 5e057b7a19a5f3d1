// expect: compile_error
constexpr long spin(long n) { long s = 0; for (long i = 0; i < n; i++) for (long j = 0; j < n; j++) s += i ^ j; return s; }
constexpr long x = spin(1L << 30);
int main() { return x; }
