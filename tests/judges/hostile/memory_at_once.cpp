// expect: runtime_error
// More at once than there are addresses: an exception that nobody catches.
#include <vector>
int main() { std::vector<long long> v(1LL << 36); return v[5]; }
